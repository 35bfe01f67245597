"""What students gain: each one's figure minus its teacher's, and minus that of the network its chain began with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bansweep.plan.plan import Plan
from bansweep.report.cells import ReportCell
from bansweep.report.metrics import metric_of
from bansweep.report.paired_difference import PairedDifference, paired_difference


@dataclass(frozen=True)
class StudentDifference:
    """A student (`row`, `column`) minus the column `reference` of its row: its teacher or its baseline."""

    row: str
    column: str
    reference: str
    paired: PairedDifference


def student_differences(plan: Plan, cells: Sequence[ReportCell]) -> tuple[StudentDifference, ...]:
    """Student minus teacher, for each cell whose generation has one, in the order of `cells` (of the same plan)."""
    return _differences(plan, cells, _teachers(plan))


def baseline_differences(plan: Plan, cells: Sequence[ReportCell]) -> tuple[StudentDifference, ...]:
    """Student minus baseline, the generation without a teacher that its chain began with, in the order of `cells`.

    Only for students whose teacher is a student, too: for the others it is the difference from the teacher.
    """
    teachers = _teachers(plan)
    baselines = {}
    for student, teacher in teachers.items():
        baseline = teacher
        while baseline in teachers:
            baseline = teachers[baseline]
        if baseline != teacher:
            baselines[student] = baseline
    return _differences(plan, cells, baselines)


def ensemble_differences(plan: Plan, cells: Sequence[ReportCell]) -> tuple[StudentDifference, ...]:
    """Ensemble minus baseline, for each ensemble whose members' chains began alike, where there are several seeds."""
    if len({cell.replica_seed for cell in plan.cells}) == 1:
        return ()
    teachers = _teachers(plan)
    columns = {(cell.row, cell.replica_seed, cell.generation_id): cell.column for cell in reversed(plan.cells)}
    found: dict[str, set[str]] = {}
    for ensemble in plan.ensembles:
        for member in ensemble.members:
            column = columns[ensemble.row, ensemble.replica_seed, member]
            while column in teachers:
                column = teachers[column]
            found.setdefault(ensemble.column, set()).add(column)
    return _differences(plan, cells, {name: one.pop() for name, one in found.items() if len(one) == 1})


def _differences(
    plan: Plan, cells: Sequence[ReportCell], references: Mapping[str, str]
) -> tuple[StudentDifference, ...]:
    """`references` maps columns of the sweep to those that are subtracted from them."""
    metric = metric_of(plan)
    # Like with like: the table has each column once for each split.
    subtracted = dict(zip(metric.columns(references), metric.columns(references.values()), strict=True))
    by_place = {(cell.row, cell.column): cell for cell in cells}
    return tuple(
        StudentDifference(
            cell.row, cell.column, reference, paired_difference(cell.values, by_place[cell.row, reference].values)
        )
        for cell in cells
        if (reference := subtracted.get(cell.column)) is not None and (cell.row, reference) in by_place
    )


def _teachers(plan: Plan) -> dict[str, str]:
    """Student -> the column that teaches it; without ensembles and generations that have no teacher.

    A generation may fill several columns, and some only in some rows; the column looked for teaches in all of them.
    """
    shown: dict[str, dict[tuple[str, int], str]] = {column: {} for column in plan.columns}
    for cell in plan.cells:
        shown[cell.column][cell.row, cell.replica_seed] = cell.generation_id
    teachers = {}
    for student, generations in shown.items():
        taught_by = {place: plan.generations[generation_id].teacher for place, generation_id in generations.items()}
        if not taught_by or None in taught_by.values():
            continue
        for column, others in shown.items():
            if taught_by.items() <= others.items():
                teachers[student] = column
                break
    return teachers
