"""What students recorded of their teachers, as charts: four for each network, as in diagnostics.svg."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bansweep.report.diagnostics import (
    CONFIDENCE_P05,
    CONFIDENCE_P50,
    CONFIDENCE_P95,
    DARK_KNOWLEDGE_SIZE,
    GROUND_TRUTH,
    GROUND_TRUTH_SIZE,
    TEST_AGREEMENT,
    TRAIN_AGREEMENT,
    VALIDATION_AGREEMENT,
    StudentDiagnostics,
    has_diagnostics,
    student_diagnostics,
)
from bansweep.report.page.chart import Chart, Style
from bansweep.report.page.epoch_charts import NamedCurve, epoch_chart
from bansweep.report.page.limits import CHARTS, LINES, left_out
from bansweep.report.page.source import PageSource

_LINES = LINES // 2  # most panels have two lines for a student
_ROWS = CHARTS // 2


@dataclass(frozen=True)
class _Panel:
    """`lines` are metrics with what they are called and their dashes; `subject` names a student, or its teacher."""

    key: str
    title: str
    y_label: str
    lines: Sequence[tuple[str, str, int]]
    subject: Callable[[StudentDiagnostics], str]
    may_be_logarithmic: bool = False


_PANELS = (
    _Panel(
        "sizes",
        "size of the two parts of the KD gradient (Eq. 7)",
        "mean per sample",
        ((GROUND_TRUTH_SIZE, "ground truth", 0), (DARK_KNOWLEDGE_SIZE, "dark knowledge", 1)),
        lambda student: student.column,
        may_be_logarithmic=True,
    ),
    _Panel(
        "signed",
        "ground-truth part, with its sign",
        "mean of q* − p*",
        ((GROUND_TRUTH, "", 0),),
        lambda student: student.column,
    ),
    _Panel(
        "confidence",
        "confidence of each teacher",
        "largest probability",
        ((CONFIDENCE_P50, "median", 0), (CONFIDENCE_P05, "5 %", 2), (CONFIDENCE_P95, "95 %", 1)),
        lambda student: student.teacher,
    ),
    _Panel(
        "agreement",
        "agreement of teacher and student",
        "same class, %",
        (
            (VALIDATION_AGREEMENT, "validation", 0),
            (TEST_AGREEMENT, "test", 3),
            (TRAIN_AGREEMENT, "training", 1),
        ),
        lambda student: student.column,
    ),
)


def diagnostics_charts(source: PageSource) -> tuple[tuple[Chart, ...], str]:
    """The charts of rows that have diagnostics, and what was left out."""
    taught: dict[str, list[str]] = {}
    for cell in source.plan.cells:
        if source.plan.generations[cell.generation_id].teacher is not None and cell.generation_id in source.records:
            taught.setdefault(cell.row, []).append(cell.generation_id)
    rows = [row for row in source.plan.rows if row in taught]
    drawn = [generation_id for row in rows[:_ROWS] for generation_id in taught[row]]
    histories = {one: history for one in drawn if has_diagnostics(history := source.history(one))}
    # Only these: of a large sweep the others' students need not be looked for.
    plan = replace(source.plan, rows=tuple(rows[:_ROWS]))
    charts = [
        chart
        for number, students in enumerate(student_diagnostics(plan, histories).values())
        for panel in _PANELS
        if (chart := _chart(panel, students, f"diagnostics-{number}-{panel.key}")) is not None
    ]
    remark = left_out(_ROWS, len(rows), "networks", "diagnostics.svg has them all") if charts else ""
    return tuple(charts), remark


def _chart(panel: _Panel, students: Sequence[StudentDiagnostics], key: str) -> Chart | None:
    subjects: dict[str, StudentDiagnostics] = {}
    for student in students:
        subjects.setdefault(panel.subject(student), student)
    curves = [
        NamedCurve(f"{name}: {what}" if what else name, student.curves[metric], Style(number, number, dash))
        for number, (name, student) in enumerate(list(subjects.items())[:_LINES])
        for metric, what, dash in panel.lines
        if metric in student.curves
    ]
    if not curves:
        return None
    row = students[0].row
    return epoch_chart(
        key,
        f"{row}: {panel.title}",
        f"Line chart for {row}: {panel.title} against the epoch, {len(curves)} lines.",
        panel.y_label,
        curves,
        may_be_logarithmic=panel.may_be_logarithmic,
        remark=left_out(_LINES, len(subjects), "columns", "diagnostics.svg has them all"),
    )
