"""Charts over epochs: training curves, and what students recorded about their teachers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bansweep.formatting import name_text
from bansweep.graph.results import EpochReport
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
    Curve,
    StudentDiagnostics,
    has_diagnostics,
    mean_curve,
    student_diagnostics,
)
from bansweep.report.page.chart import Chart, FigureTable, Point, Series, Style
from bansweep.report.page.source import CHARTS, EPOCHS, LINES, SEEDS, PageSource, left_out

# A sweep has one of these after each epoch: the validation split's if it has one.
_EVALUATED = ("validation_error", "test_error", "validation_perplexity", "test_perplexity")

_LINES = LINES // 2  # most panels have two lines for a student
_ROWS = CHARTS // 2


def training_curves(source: PageSource) -> tuple[tuple[Chart, ...], str]:
    """The charts of rows with finished generations, and a remark on omitted ones."""
    begun = {cell.row for cell in source.plan.cells if cell.generation_id in source.records}
    rows = [row for row in source.plan.rows if row in begun]
    charts = (_curve_chart(source, row, f"curves-{number}") for number, row in enumerate(rows[:CHARTS]))
    return tuple(chart for chart in charts if chart is not None), left_out(CHARTS, len(rows), "networks")


def _curve_chart(source: PageSource, row: str, key: str) -> Chart | None:
    replicas: dict[str, list[str]] = {}
    for cell in source.plan.cells:
        if cell.row == row and cell.generation_id in source.records:
            replicas.setdefault(cell.column, []).append(cell.generation_id)
    shown = [column for column in source.plan.columns if column in replicas]
    histories = {column: [source.history(one) for one in replicas[column][:SEEDS]] for column in shown[:LINES]}
    metric = _evaluated([one for some in histories.values() for one in some])
    if metric is None:
        return None
    curves = [
        NamedCurve(column, curve, Style.number(number))
        for number, (column, some) in enumerate(histories.items())
        if (curve := mean_curve(metric, some)).epochs
    ]
    if not curves:
        return None
    unit = ", %" if metric.endswith("_error") else ""
    seeds = ", means over the seeds" if any(len(some) > 1 for some in histories.values()) else ""
    return epoch_chart(
        key,
        row,
        f"Line chart for {row}: {name_text(metric)} after each epoch{seeds}, a line for each of {len(curves)} columns.",
        f"{name_text(metric)}{unit}",
        curves,
        may_be_logarithmic=True,
        remark=left_out(LINES, len(shown), "columns", "the store has the others' histories"),
    )


def _evaluated(histories: Sequence[Sequence[EpochReport]]) -> str | None:
    """The metric that all charts show; None where no history has one."""
    known = {name for history in histories for report in history for name in report.metrics}
    return next((name for name in _EVALUATED if name in known), None)


@dataclass(frozen=True)
class _Panel:
    """`lines` are metrics with names and dashes; `subject` names a student, or its teacher."""

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
    """The charts of rows that have diagnostics, and a remark on omitted ones."""
    taught: dict[str, list[str]] = {}
    for cell in source.plan.cells:
        if source.plan.generations[cell.generation_id].teacher is not None and cell.generation_id in source.records:
            taught.setdefault(cell.row, []).append(cell.generation_id)
    rows = [row for row in source.plan.rows if row in taught]
    drawn = [generation_id for row in rows[:_ROWS] for generation_id in taught[row]]
    histories = {one: history for one in drawn if has_diagnostics(history := source.history(one))}
    # Only the drawn rows: in a large sweep it takes long to find all students.
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


@dataclass(frozen=True)
class NamedCurve:
    """A line of the chart."""

    name: str
    curve: Curve
    style: Style


def epoch_chart(
    key: str,
    title: str,
    description: str,
    y_label: str,
    curves: Sequence[NamedCurve],
    *,
    may_be_logarithmic: bool = False,
    remark: str = "",
) -> Chart:
    """The chart of these curves, at least one. Long curves are thinned evenly."""
    last = max(one.curve.epochs[-1] for one in curves)
    epochs = _drawn_epochs(last)
    values = [dict(zip(one.curve.epochs, one.curve.values, strict=True)) for one in curves]
    thinned = "" if len(epochs) == last else f"{len(epochs)} of {last} epochs are drawn and listed."
    return Chart(
        key=key,
        title=title,
        description=description,
        x_label="epoch",
        y_label=y_label,
        series=[
            Series(
                one.name,
                [
                    Point(epoch, known[epoch], f"{one.name}, epoch {epoch}: {known[epoch]:.4g}")
                    for epoch in epochs
                    if epoch in known
                ],
                one.style,
            )
            for one, known in zip(curves, values, strict=True)
        ],
        table=FigureTable(
            ("epoch", *(one.name for one in curves)),
            [
                (str(epoch), *(f"{known[epoch]:.4g}" if epoch in known else "" for known in values))
                for epoch in epochs
                if any(epoch in known for known in values)
            ],
        ),
        x_integer=True,
        may_be_logarithmic=may_be_logarithmic,
        remark=" ".join(filter(None, (remark, thinned))),
    )


def _drawn_epochs(last: int) -> list[int]:
    """1, ..., last: all, or at even distances with both ends."""
    if last <= EPOCHS:
        return list(range(1, last + 1))
    return [1 + round(place * (last - 1) / (EPOCHS - 1)) for place in range(EPOCHS)]
