"""`bansweep diff`: differences of two sweeps or two generations, in settings and results."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bansweep.cli.generation_diff import Compared, GenerationDiff, generation_diff
from bansweep.cli.options import AsJson, Overrides, StoreLocation
from bansweep.cli.reference import GenerationId, WholeSweep, found_record, parse_reference, planned_cell
from bansweep.cli.tables import PlainTable, print_table
from bansweep.errors import RequestError
from bansweep.service.request import sweep_request
from bansweep.store.location import DEFAULT_STORE
from bansweep.store.store import Store

if TYPE_CHECKING:
    from bansweep.cli.sweep_diff import SweepDiff


_ARGUMENT_HELP = "a sweep file, SWEEP:ROW/COLUMN (@SEED where it has several), or a generation's id or how it begins."


@dataclass(frozen=True)
class _Asked:
    """One of the two sides as the user asked for it."""

    text: str
    location: str
    overrides: list[str]


def diff(
    left: Annotated[str, typer.Argument(metavar="A", help=f"One of two: {_ARGUMENT_HELP}", show_default=False)],
    right: Annotated[str, typer.Argument(metavar="B", help=f"The other: {_ARGUMENT_HELP}", show_default=False)],
    store: StoreLocation = DEFAULT_STORE,
    other_store: Annotated[
        str | None, typer.Option(metavar="STORE", help="B's store, if it is another one.", show_default=False)
    ] = None,
    overrides: Overrides = None,
    other_overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--other-set", metavar="KEY=VALUE", help="As --set, for B alone. May be repeated.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """bansweep diff table1.yaml table2.yaml: what differs, in the sweeps themselves and in their results.

    bansweep diff sweep.yaml:wrn-28-1/ban 4e268e59 does so for two generations. Differences are B minus A.

    Example: bansweep diff sweeps/table2.yaml sweeps/table2.yaml --other-set recipe.epochs=100
    """
    common = overrides or []
    asked = (
        _Asked(left, store, common),
        _Asked(right, store if other_store is None else other_store, [*common, *(other_overrides or [])]),
    )
    whole = [isinstance(parse_reference(one.text), WholeSweep) for one in asked]
    compared: SweepDiff | GenerationDiff
    if all(whole):
        from bansweep.cli.sweep_diff import SweepSide, sweep_diff  # loads the report modules

        compared = sweep_diff(*(SweepSide.read(Path(one.text), one.location, one.overrides) for one in asked))
    elif any(whole):
        raise RequestError(
            f"{asked[whole.index(True)].text} is a whole sweep, {asked[whole.index(False)].text} a generation",
            remedy="compare two of a kind: SWEEP:ROW/COLUMN is a generation of a sweep",
        )
    else:
        compared = generation_diff(*map(_generation, asked))
    if as_json:
        typer.echo(json.dumps(compared.document(), indent=2))
        return
    _print(compared.text())


def _generation(asked: _Asked) -> Compared:
    """A generation with its known ancestors, and its record if it is finished."""
    reference = parse_reference(asked.text)
    store = Store(asked.location)
    if isinstance(reference, GenerationId):
        if asked.overrides:
            raise RequestError(f"--set changes a sweep, and {asked.text} is an id", remedy="leave one of them out")
        record = found_record(store, reference.beginning, asked.location)
        known = {ancestor.id: ancestor.generation for ancestor in store.lineage(record)[:-1]}
        return Compared(record.label, record.generation, known, record)
    assert not isinstance(reference, WholeSweep)
    request = sweep_request(reference.sweep, asked.location, asked.overrides)
    cell = planned_cell(request.plan, reference)
    generation = request.plan.generations[cell.generation_id]
    label = f"{reference.sweep}: {cell.row} / {cell.column}"
    return Compared(label, generation, request.plan.generations, store.record(generation.id))


def _print(parts: Iterable[str | PlainTable]) -> None:
    for part in parts:
        if isinstance(part, str):
            typer.echo(part)
        else:
            print_table(part)
