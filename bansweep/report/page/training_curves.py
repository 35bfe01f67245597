"""Training curves: for each network a chart with a line for each column, of what its held-out data say by epoch."""

from __future__ import annotations

from collections.abc import Sequence

from bansweep.plan.events import EpochReport
from bansweep.plan.metric_text import name_text
from bansweep.report.diagnostics import mean_curve
from bansweep.report.page.chart import Chart, Style
from bansweep.report.page.epoch_charts import NamedCurve, epoch_chart
from bansweep.report.page.limits import CHARTS, LINES, SEEDS, left_out
from bansweep.report.page.source import PageSource

# A sweep has one of these, after each epoch: that of the validation split where it has one.
_EVALUATED = ("validation_error", "test_error", "validation_perplexity", "test_perplexity")


def training_curves(source: PageSource) -> tuple[tuple[Chart, ...], str]:
    """The charts of rows of which anything is finished, and what was left out."""
    begun = {cell.row for cell in source.plan.cells if cell.generation_id in source.records}
    rows = [row for row in source.plan.rows if row in begun]
    charts = (_chart(source, row, f"curves-{number}") for number, row in enumerate(rows[:CHARTS]))
    return tuple(chart for chart in charts if chart is not None), left_out(CHARTS, len(rows), "networks")


def _chart(source: PageSource, row: str, key: str) -> Chart | None:
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
