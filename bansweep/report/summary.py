"""What students gain: each student's figure minus that of the generation which taught it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bansweep.plan.plan import Plan
from bansweep.report.cells import ReportCell, mean, sample_deviation
from bansweep.report.metrics import metric_of


@dataclass(frozen=True)
class StudentDifference:
    """Student minus teacher in the metric's unit: negative where the student is the better one.

    `values` has a difference for each replica seed, None where one of the two is not finished. Students are paired
    with their own teachers, so `sd` is the spread of the differences and not of the figures.
    """

    row: str
    column: str
    teacher: str
    values: tuple[float | None, ...]
    mean: float | None
    sd: float | None


def student_differences(plan: Plan, cells: Sequence[ReportCell]) -> tuple[StudentDifference, ...]:
    """A difference for each cell whose generation has a teacher, in the order of `cells` (made from the same plan)."""
    by_place = {(cell.row, cell.column): cell for cell in cells}
    taught = {column: teacher for column in plan.columns if (teacher := _teacher_column(plan, column)) is not None}
    metric = metric_of(plan)
    # Students are compared with their teachers on the same split.
    teachers = dict(zip(metric.columns(taught), metric.columns(taught.values()), strict=True))
    differences = []
    for cell in cells:
        teacher = teachers.get(cell.column)
        if teacher is None:
            continue
        pairs = zip(cell.values, by_place[cell.row, teacher].values, strict=True)
        values = tuple(None if own is None or theirs is None else own - theirs for own, theirs in pairs)
        differences.append(
            StudentDifference(cell.row, cell.column, teacher, values, mean(values), sample_deviation(values))
        )
    return tuple(differences)


def _teacher_column(plan: Plan, student: str) -> str | None:
    """The column that teaches `student`; None for ensembles and for generations that learn from labels.

    A generation may fill several columns, and some only in some rows; the column looked for teaches in all of them.
    """
    shown = {(cell.row, cell.column, cell.replica_seed): cell.generation_id for cell in plan.cells}
    taught = {
        (cell.row, cell.replica_seed): plan.generations[cell.generation_id].teacher
        for cell in plan.cells
        if cell.column == student
    }
    if not taught or None in taught.values():
        return None
    return next(
        (
            column
            for column in plan.columns
            if all(shown.get((row, column, seed)) == teacher for (row, seed), teacher in taught.items())
        ),
        None,
    )
