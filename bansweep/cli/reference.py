"""References on the command line: a generation by its id, a cell of a sweep, or a whole sweep."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bansweep.config.base import nearest
from bansweep.errors import RequestError
from bansweep.graph.plan import Cell, Plan
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store

# Names of rows and columns contain no separators; only file names can be ambiguous.
_CELL = re.compile(r"(?P<sweep>.+):(?P<row>[^/:@\s]+)/(?P<column>[^/:@\s]+?)(?:@(?P<seed>[0-9]{1,10}))?")


@dataclass(frozen=True)
class GenerationId:
    """`beginning` is a prefix of the id."""

    beginning: str


@dataclass(frozen=True)
class SweepCell:
    """`seed` is the replica's; None where the sweep has only one."""

    sweep: Path
    row: str
    column: str
    seed: int | None


@dataclass(frozen=True)
class WholeSweep:
    path: Path


Reference = GenerationId | SweepCell | WholeSweep


def parse_reference(text: str) -> Reference:
    """`4e268e59`, `SWEEP:ROW/COLUMN`, `SWEEP:ROW/COLUMN@SEED` or `SWEEP`; a file of that very name is a sweep."""
    if Path(text).is_file():
        return WholeSweep(Path(text))
    if re.fullmatch(r"[0-9a-f]{4,16}", text):
        return GenerationId(text)
    cell = _CELL.fullmatch(text)
    if cell is not None:
        seed = cell["seed"]
        return SweepCell(Path(cell["sweep"]), cell["row"], cell["column"], None if seed is None else int(seed))
    return WholeSweep(Path(text))


def found_record(store: Store, beginning: str, location: str) -> GenerationRecord:
    """The record whose id starts with `beginning`. Raises RequestError for none, for several, and for invalid ids."""
    if not re.fullmatch(r"[0-9a-f]{4,16}", beginning):
        raise RequestError(
            f"{beginning!r} is no generation's id: ids are 16 hexadecimal digits, of which the first 4 may do",
            remedy="bansweep plan SWEEP lists the ids of a sweep",
        )
    if not store.exists:
        raise RequestError(f"no store at {location}", remedy="--store STORE names one that bansweep run has written to")
    ids = [beginning] if len(beginning) == 16 else [one for one in store.ids() if one.startswith(beginning)]
    if len(ids) > 1:
        raise RequestError(
            f"{beginning!r} begins the ids of {len(ids)} generations: {', '.join(ids[:5])}{', ...' * (len(ids) > 5)}",
            remedy="give more digits",
        )
    record = store.record(ids[0]) if ids else None
    if record is None:
        raise RequestError(
            f"no finished generation {beginning!r} in {location}",
            remedy="bansweep plan SWEEP lists the ids of a sweep; --store names another store",
        )
    return record


def planned_cell(plan: Plan, wanted: SweepCell) -> Cell:
    """The named cell of a plan. Raises RequestError for none, for several seeds, and for an ensemble."""
    named = f"{wanted.sweep}: {wanted.row}/{wanted.column}"
    for name, known, what in ((wanted.row, plan.rows, "row"), (wanted.column, plan.columns, "column")):
        if name not in known:
            raise RequestError(f"{named}: no {what} {name!r}; {nearest(name, known)}")
    cells = [cell for cell in plan.cells if (cell.row, cell.column) == (wanted.row, wanted.column)]
    if not cells:
        members = [
            f"seed {cell.replica_seed}: {' '.join(cell.members)}"
            for cell in plan.ensembles
            if (cell.row, cell.column) == (wanted.row, wanted.column)
        ]
        if members:
            raise RequestError(
                f"{named} is an ensemble, not a generation: the mean of its members' probabilities",
                remedy=f"name its members one by one; {'; '.join(members)}",
            )
        raise RequestError(f"{named}: this row skips that column")
    seeds = [cell.replica_seed for cell in cells]
    if wanted.seed is None and len(cells) > 1:
        raise RequestError(
            f"{named}: there is one for each of the seeds {', '.join(map(str, seeds))}",
            remedy=f"say which: {wanted.row}/{wanted.column}@{seeds[0]}",
        )
    if wanted.seed is not None and wanted.seed not in seeds:
        raise RequestError(f"{named}: no seed {wanted.seed}; the sweep has {', '.join(map(str, seeds))}")
    return cells[0] if wanted.seed is None else cells[seeds.index(wanted.seed)]
