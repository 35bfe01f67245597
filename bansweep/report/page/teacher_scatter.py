"""Teachers against students: a point for each student, below the diagonal where it is the better one."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bansweep.report.page.chart import Chart, FigureTable, Point, Series, Style
from bansweep.report.page.limits import LINES, POINTS, left_out
from bansweep.report.page.source import PageSource


def teacher_scatter(source: PageSource) -> Chart | None:
    """None where no student and its teacher are both finished."""
    students = list(_students(source))
    if not students:
        return None
    columns = list(dict.fromkeys(column for column, _, _ in students))
    shown = [one for one in students if one[0] in columns[:LINES]][:POINTS]
    heading = source.table.metric.heading
    better = sum(point.y < point.x for _, _, point in students)
    text = source.table.metric.text
    return Chart(
        key="scatter",
        title=f"{better} of {len(students)} students are better than their teachers",
        description=f"Scatter plot of {len(shown)} students: {heading} of the student against its teacher's, with "
        f"the diagonal on which both are equal. {better} of {len(students)} students lie below it: they are better.",
        x_label=f"teacher: {heading}",
        y_label=f"student: {heading}",
        series=[
            Series(column, [point for name, _, point in shown if name == column], Style.number(number), connected=False)
            for number, column in enumerate(columns[:LINES])
        ],
        table=FigureTable(
            ("student", "teacher", "student", "difference"),
            [
                (label, text(point.x), text(point.y), source.table.metric.difference_text(point.y - point.x))
                for _, label, point in shown
            ],
        ),
        diagonal=True,
        remark=left_out(len(shown), len(students), "students"),
    )


def _students(source: PageSource) -> Iterator[tuple[str, str, Point]]:
    """Column, label and point of each finished student whose teacher is finished, by its first cell."""
    for generation_id, generation in source.plan.generations.items():
        if generation.teacher is None:
            continue
        own, teachers = source.figure(generation_id), source.figure(generation.teacher)
        if own is None or teachers is None or not (math.isfinite(own) and math.isfinite(teachers)):
            continue
        label, text = source.plan.label(generation_id), source.table.metric.text
        point = Point(teachers, own, f"{label}: teacher {text(teachers)}, student {text(own)}")
        yield source.plan.cells_of[generation_id][0].column, label, point
