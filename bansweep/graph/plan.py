"""The plan: the distinct generations of a sweep, teachers first, the cells they fill, and `--only`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property

from bansweep.config.chain import Stop
from bansweep.errors import RequestError
from bansweep.graph.generation import Generation


@dataclass(frozen=True)
class Cell:
    """One entry of the table for one replica: the generation whose figure it shows."""

    row: str
    column: str
    replica_seed: int
    generation_id: str


@dataclass(frozen=True)
class EnsembleCell:
    """One entry of the table for one replica: the mean of several generations' probabilities."""

    row: str
    column: str
    replica_seed: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class PlannedChain:
    """A chain in one row and replica: the teacher of its first generation, then its generations.

    `columns` are those of its generations, without the teacher's; `metric` is what `stop` compares, lower is better.
    """

    name: str
    row: str
    replica_seed: int
    teacher: str
    columns: tuple[str, ...]
    members: tuple[str, ...]
    ensemble: str | None
    stop: Stop | None
    metric: str


@dataclass(frozen=True)
class Plan:
    """What a sweep needs. `generations` maps ids to generations, every teacher before its students."""

    sweep: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    generations: Mapping[str, Generation]
    cells: tuple[Cell, ...]
    ensembles: tuple[EnsembleCell, ...]
    chains: tuple[PlannedChain, ...] = ()

    @cached_property
    def cells_of(self) -> Mapping[str, tuple[Cell, ...]]:
        """Generation id -> the cells that show it."""
        shown: dict[str, list[Cell]] = {generation_id: [] for generation_id in self.generations}
        for cell in self.cells:
            shown[cell.generation_id].append(cell)
        return {generation_id: tuple(cells) for generation_id, cells in shown.items()}

    @cached_property
    def replica_seeds(self) -> tuple[int, ...]:
        """The seeds of the replicas that are planned, in the sweep's order."""
        return tuple(dict.fromkeys(cell.replica_seed for cell in self.cells))

    def column_in_row(self, row: str, generation_id: str) -> str:
        """The first column that shows a generation in a row. Each row has its teachers as columns."""
        return next(cell.column for cell in self.cells_of[generation_id] if cell.row == row)

    def lineage(self, generation_id: str) -> tuple[str, ...]:
        """The ids from the generation that learnt from labels down to this one, as far as the plan has them.

        The first may be that of a teacher, or of the generation itself, which the plan does not have.
        """
        ids = [generation_id]
        while (generation := self.generations.get(ids[-1])) and generation.teacher:
            ids.append(generation.teacher)
        return tuple(reversed(ids))

    def summed_with_teachers(self, values: Mapping[str, float]) -> dict[str, float]:
        """For each generation the sum of the values of its lineage, its own included; missing ones are 0."""
        sums: dict[str, float] = {}
        for generation_id, generation in self.generations.items():
            own = values.get(generation_id, 0.0)
            sums[generation_id] = own + (0.0 if generation.teacher is None else sums[generation.teacher])
        return sums

    def part(self, cells: Sequence[Cell], ensembles: Sequence[EnsembleCell]) -> Plan:
        """The plan of these cells and ensembles, with all generations that they need."""
        needed = {cell.generation_id for cell in cells} | {member for cell in ensembles for member in cell.members}
        for generation_id, generation in reversed(list(self.generations.items())):
            if generation_id in needed and generation.teacher is not None:
                needed.add(generation.teacher)
        # The cells of teachers and members are included: a plan names every generation that it holds.
        kept = tuple(cell for cell in self.cells if cell.generation_id in needed)
        shown: list[Cell | EnsembleCell] = [*kept, *ensembles]
        rows, columns = {cell.row for cell in shown}, {cell.column for cell in shown}
        return replace(
            self,
            rows=tuple(row for row in self.rows if row in rows),
            columns=tuple(column for column in self.columns if column in columns),
            generations={key: value for key, value in self.generations.items() if key in needed},
            cells=kept,
            ensembles=tuple(ensembles),
        )

    def label(self, generation_id: str) -> str:
        """The name of a generation in output: `wrn-28-1 / ban`, with the replica's seed if there are several."""
        cell = self.cells_of[generation_id][0]
        columns = dict.fromkeys(c.column for c in self.cells_of[generation_id] if c.row == cell.row)
        replica = f" (seed {cell.replica_seed})" if len(self.replica_seeds) > 1 else ""
        return f"{cell.row} / {', '.join(columns)}{replica}"


def select(plan: Plan, patterns: Sequence[str]) -> Plan:
    """The cells whose row, column or `row/column` matches one of the patterns, and all generations they need.

    `*` and `?` are wildcards; a name also matches itself (`ens*2`). No patterns: the whole plan. Raises RequestError if
    nothing matches.
    """
    if not patterns:
        return plan
    cells = tuple(cell for cell in plan.cells if _matches(cell, patterns))
    ensembles = tuple(cell for cell in plan.ensembles if _matches(cell, patterns))
    if not cells and not ensembles:
        raise RequestError(
            f"--only {' '.join(patterns)}: no row or column of {plan.sweep} matches",
            remedy=f"rows: {', '.join(plan.rows)}; columns: {', '.join(plan.columns)}",
        )
    return plan.part(cells, ensembles)


def _matches(cell: Cell | EnsembleCell, patterns: Sequence[str]) -> bool:
    names = (cell.row, cell.column, f"{cell.row}/{cell.column}")
    return any(name == pattern or fnmatchcase(name, pattern) for name in names for pattern in patterns)
