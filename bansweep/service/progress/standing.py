"""Where a sweep stands at one moment: what a progress tree shows, whoever gathered it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from bansweep.plan.plan import Plan

GenerationState = Literal[
    "training",
    "searching",
    "started",
    "stopped",
    "waiting",
    "finished",
    "in the store",
    "failed",
    "blocked",
    "not needed",
    "damaged",
]

# "started" is what another process has begun: it may train still, or have been interrupted.
RUNNING: tuple[GenerationState, ...] = ("training", "searching", "started")
DONE: tuple[GenerationState, ...] = ("finished", "in the store")


@dataclass(frozen=True)
class TrainingStanding:
    """How far a training is: of a generation, or of a candidate that `label` names. Texts are empty where unknown."""

    label: str
    epochs_done: int
    epochs: int
    metric: str = ""
    speed: str = ""
    left: str = ""


@dataclass(frozen=True)
class GenerationStanding:
    """What a generation does. `trainings`: its own while it trains, or where it `searches` those of candidates;
    `remark`: its result, or why it has none."""

    label: str
    state: GenerationState
    trainings: tuple[TrainingStanding, ...] = ()
    remark: str = ""
    searches: bool = False

    @property
    def runs(self) -> bool:
        return self.state in RUNNING


@dataclass(frozen=True)
class RowStanding:
    """A row of the table with its generations, in the order of columns and seeds."""

    label: str
    generations: tuple[GenerationStanding, ...]

    @cached_property
    def states(self) -> Counter[GenerationState]:
        return Counter(generation.state for generation in self.generations)

    @property
    def runs(self) -> bool:
        return any(self.states[state] for state in RUNNING)


@dataclass(frozen=True)
class SweepStanding:
    """A whole sweep: its rows, and a last line of what they come to. `time_left_s` is of the time `at` (Unix, seconds);
    `at_least`: nobody knows yet how many run at a time, so that it may take longer."""

    rows: tuple[RowStanding, ...]
    counts: str
    time_left_s: float | None = None
    at_least: bool = False
    at: float = 0.0


def rows_of(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Row -> the ids of its generations, in the order of columns and seeds; each id once, in the first row it is in."""
    order = {column: place for place, column in enumerate(plan.columns)}
    rows: dict[str, list[str]] = {row: [] for row in plan.rows}
    shown: set[str] = set()
    for cell in sorted(plan.cells, key=lambda cell: (order.get(cell.column, len(order)), cell.replica_seed)):
        if cell.generation_id not in shown:
            shown.add(cell.generation_id)
            rows.setdefault(cell.row, []).append(cell.generation_id)
    return {row: tuple(ids) for row, ids in rows.items() if ids}


def within_row(plan: Plan, generation_id: str) -> str:
    """A generation's label without its row: `ban`, `ban (seed 2)`."""
    row = plan.cells_of[generation_id][0].row
    return plan.label(generation_id).removeprefix(f"{row} / ")


def standing_rows(plan: Plan, generations: Mapping[str, GenerationStanding]) -> tuple[RowStanding, ...]:
    """The plan's rows of what is known of its generations by id."""
    return tuple(
        RowStanding(row, tuple(generations[generation_id] for generation_id in ids))
        for row, ids in rows_of(plan).items()
    )
