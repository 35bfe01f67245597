"""Charts against the epoch: lines of many points, of which as many are drawn and listed as can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bansweep.report.diagnostics import Curve
from bansweep.report.page.chart import Chart, FigureTable, Point, Series, Style
from bansweep.report.page.limits import EPOCHS


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
    """The chart of these curves, at least one. Of long ones every so many-th epoch is drawn, and the last."""
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
