"""The status of a sweep at one moment: its generations, what trains now, and how fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median_low
from typing import Literal

from bansweep.formatting import duration_text, named_figure_text
from bansweep.graph.generation import Generation
from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport

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

# "started": another process began it, and may still train it or have been interrupted.
RUNNING: tuple[GenerationState, ...] = ("training", "searching", "started")
DONE: tuple[GenerationState, ...] = ("finished", "in the store")


@dataclass(frozen=True)
class TrainingStatus:
    """Progress of one training, of a generation or of a candidate that `label` names. Unknown texts are empty."""

    label: str
    epochs_done: int
    epochs: int
    metric: str = ""
    speed: str = ""
    left: str = ""


@dataclass(frozen=True)
class GenerationStatus:
    """A generation's status. `trainings`: its own, or the candidates' if it `searches`; `remark`: its result, or why
    it has none."""

    label: str
    state: GenerationState
    trainings: tuple[TrainingStatus, ...] = ()
    remark: str = ""
    searches: bool = False

    @property
    def runs(self) -> bool:
        return self.state in RUNNING


@dataclass(frozen=True)
class RowStatus:
    """A row of the table with its generations, in the order of columns and seeds."""

    label: str
    generations: tuple[GenerationStatus, ...]

    @cached_property
    def states(self) -> Counter[GenerationState]:
        return Counter(generation.state for generation in self.generations)

    @property
    def runs(self) -> bool:
        return any(self.states[state] for state in RUNNING)


@dataclass(frozen=True)
class SweepStatus:
    """A sweep's rows and the counts of the last line. `time_left_s` was estimated at the time `at` (Unix, seconds);
    `at_least`: the number of parallel trainings is unknown, so that it may take longer."""

    rows: tuple[RowStatus, ...]
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


def row_statuses(plan: Plan, generations: Mapping[str, GenerationStatus]) -> tuple[RowStatus, ...]:
    """The plan's rows with the status of their generations, given by id."""
    return tuple(
        RowStatus(row, tuple(generations[generation_id] for generation_id in ids)) for row, ids in rows_of(plan).items()
    )


@dataclass
class RunningTraining:
    """A generation or candidate in training: its progress and the duration of its epochs.

    `within` is its label inside its row, or inside its generation where it is a candidate.
    """

    label: str
    within: str
    trained: Generation
    epochs_done: int
    seconds: list[float] = field(default_factory=list)
    last_report: EpochReport | None = None

    @property
    def epochs(self) -> int:
        return self.trained.recipe.epochs

    @property
    def epochs_left(self) -> int:
        return max(0, self.epochs - self.epochs_done)

    def add_epoch(self, report: EpochReport) -> None:
        self.epochs_done = report.epoch
        self.last_report = report
        self.seconds.append(report.seconds)

    @property
    def epoch_s(self) -> float | None:
        """The median duration of its epochs so far: the first one includes warming up."""
        return median_low(self.seconds) if self.seconds else None

    @property
    def time_left_s(self) -> float | None:
        return None if self.epoch_s is None else self.epoch_s * self.epochs_left

    @property
    def time_left_text(self) -> str:
        """`3 min left`; nothing where that is unknown, or nothing is left."""
        left = self.time_left_s
        return f"{duration_text(left)} left" if left else ""

    def status(self, speed_text: Callable[[Generation, float | None], str]) -> TrainingStatus:
        return TrainingStatus(
            self.within,
            self.epochs_done,
            self.epochs,
            metric=metric_text(self.last_report) if self.last_report else "",
            speed=speed_text(self.trained, self.epoch_s),
            left=self.time_left_text,
        )


def metric_text(report: EpochReport) -> str:
    """An epoch's result: `test error 4.17 %`, `validation perplexity 123.41`."""
    for name, value in report.metrics.items():
        if name.endswith(("_error", "_perplexity")):
            return named_figure_text(name, value)
    return f"loss {report.metrics.get('train_loss', float('nan')):.3f}"
