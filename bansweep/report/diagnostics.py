"""What students recorded about their teachers (section 3.2), as curves over epochs, averaged over seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bansweep.errors import DamagedError
from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.report.stored_figures import FinishedGenerations, intact_records

# The two parts of Eq. 7 as signed means over samples, and their sizes: absolute value and L2 norm of a sample's part.
GROUND_TRUTH = "kd_gradient_ground_truth"
DARK_KNOWLEDGE = "kd_gradient_dark_knowledge"
GROUND_TRUTH_SIZE = "kd_gradient_ground_truth_size"
DARK_KNOWLEDGE_SIZE = "kd_gradient_dark_knowledge_size"
# The teacher's largest probability, 0 to 1, over the training samples of the epoch.
CONFIDENCE_MEAN = "teacher_confidence_mean"
CONFIDENCE_P05 = "teacher_confidence_p05"
CONFIDENCE_P25 = "teacher_confidence_p25"
CONFIDENCE_P50 = "teacher_confidence_p50"
CONFIDENCE_P75 = "teacher_confidence_p75"
CONFIDENCE_P95 = "teacher_confidence_p95"
# Percent of samples (images or tokens) for which teacher and student give the same class; the sweep's data decide which
# of the last two there is.
TRAIN_AGREEMENT = "train_agreement"
VALIDATION_AGREEMENT = "validation_agreement"
TEST_AGREEMENT = "test_agreement"

DIAGNOSTICS = (
    GROUND_TRUTH,
    DARK_KNOWLEDGE,
    GROUND_TRUTH_SIZE,
    DARK_KNOWLEDGE_SIZE,
    CONFIDENCE_MEAN,
    CONFIDENCE_P05,
    CONFIDENCE_P25,
    CONFIDENCE_P50,
    CONFIDENCE_P75,
    CONFIDENCE_P95,
    TRAIN_AGREEMENT,
    VALIDATION_AGREEMENT,
    TEST_AGREEMENT,
)


@dataclass(frozen=True)
class Curve:
    """A metric's finite values, and the epochs (from 1) that they belong to."""

    epochs: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class StudentDiagnostics:
    """What the students in a cell of the table recorded.

    `column` is the student's; `teacher` the teacher's column. `curves` has an entry for each metric of DIAGNOSTICS that
    was recorded: its mean over `recorded` of the `seeds` that the cell has.
    """

    row: str
    column: str
    teacher: str
    recorded: int
    seeds: int
    curves: Mapping[str, Curve]


def has_diagnostics(history: Iterable[EpochReport]) -> bool:
    """Whether an epoch recorded any of DIAGNOSTICS."""
    return any(name in report.metrics for report in history for name in DIAGNOSTICS)


def student_diagnostics(
    plan: Plan, histories: Mapping[str, Sequence[EpochReport]]
) -> dict[str, tuple[StudentDiagnostics, ...]]:
    """Row -> its students with diagnostics, in the order of the plan's rows and columns; rows without any are skipped.

    `histories` maps generation ids to histories; generations that it lacks are not finished.
    """
    shown: dict[tuple[str, str], list[str]] = {}
    for cell in plan.cells:
        shown.setdefault((cell.row, cell.column), []).append(cell.generation_id)
    found: dict[str, tuple[StudentDiagnostics, ...]] = {}
    for row in plan.rows:
        students = [
            _student(plan, row, column, shown[row, column], histories)
            for column in plan.columns
            if (row, column) in shown
        ]
        if recorded := tuple(student for student in students if student is not None):
            found[row] = recorded
    return found


def _student(
    plan: Plan, row: str, column: str, replicas: Sequence[str], histories: Mapping[str, Sequence[EpochReport]]
) -> StudentDiagnostics | None:
    """None for a cell whose generations learn from labels, or have no diagnostics."""
    teacher_id = plan.generations[replicas[0]].teacher
    recorded = [histories[one] for one in replicas if one in histories and has_diagnostics(histories[one])]
    if teacher_id is None or not recorded:
        return None
    curves = {name: mean_curve(name, recorded) for name in DIAGNOSTICS}
    return StudentDiagnostics(
        row=row,
        column=column,
        teacher=plan.column_in_row(row, teacher_id),
        recorded=len(recorded),
        seeds=len(replicas),
        curves={name: curve for name, curve in curves.items() if curve.epochs},
    )


def mean_curve(name: str, histories: Iterable[Sequence[EpochReport]]) -> Curve:
    """Epoch by epoch the mean over those that recorded a finite value."""
    values: dict[int, list[float]] = {}
    for history in histories:
        for report in history:
            value = report.metrics.get(name, math.nan)
            if math.isfinite(value):
                values.setdefault(report.epoch, []).append(value)
    epochs = tuple(sorted(values))
    return Curve(epochs, tuple(statistics.fmean(values[epoch]) for epoch in epochs))


def recorded_diagnostics(plan: Plan, store: FinishedGenerations) -> dict[str, Sequence[EpochReport]]:
    """Generation id -> history, for the finished ones that have a teacher and recorded something about it.

    Unfinished and damaged generations are skipped. Raises StoreError where the store cannot be read at all.
    """
    histories: dict[str, Sequence[EpochReport]] = {}
    students = [one for one, generation in plan.generations.items() if generation.teacher is not None]
    for generation_id in intact_records(store, students):
        with suppress(DamagedError):
            history = store.history(generation_id)
            if has_diagnostics(history):
                histories[generation_id] = history
    return histories
