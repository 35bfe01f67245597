"""Ensembles next to their members: a chart, and a table of the gains with their verdicts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bansweep.graph.plan import EnsembleCell
from bansweep.report.notation import interval_text, mean_difference_text, verdict
from bansweep.report.page.chart import Chart, FigureTable, Point, Series, Style
from bansweep.report.page.source import ENSEMBLES, PageSource, left_out
from bansweep.report.paired_differences import EnsembleGain, ensemble_gain


@dataclass(frozen=True)
class EnsembleLine:
    """A line of the table, as text."""

    row: str
    column: str
    members: str
    figure: str
    from_average: str
    from_best: str
    interval: str
    verdict: str


@dataclass(frozen=True)
class EnsembleSection:
    lines: tuple[EnsembleLine, ...]
    chart: Chart | None
    several_seeds: bool
    remark: str


def ensemble_section(source: PageSource) -> EnsembleSection | None:
    """None where no ensemble is finished."""
    places: dict[tuple[str, str], dict[int, EnsembleCell]] = {}
    for ensemble in source.plan.ensembles:
        column = source.shown_column(ensemble.column)
        places.setdefault((ensemble.row, column), {})[ensemble.replica_seed] = ensemble
    gains = []
    for (row, column), by_seed in places.items():
        cell = source.table.cell(row, column)
        if cell is not None:
            gain = ensemble_gain(source.plan, cell, source.table.seeds, by_seed, source.figure)
            if gain is not None:
                gains.append(gain)
    if not gains:
        return None
    shown = gains[:ENSEMBLES]
    return EnsembleSection(
        lines=tuple(_line(source, gain) for gain in shown),
        chart=_chart(source, [gain for gain in shown if _finite(gain)]),
        several_seeds=len(source.table.seeds) > 1,
        remark=left_out(len(shown), len(gains), "ensembles"),
    )


def _line(source: PageSource, gain: EnsembleGain) -> EnsembleLine:
    metric = source.table.metric
    return EnsembleLine(
        row=gain.row,
        column=gain.column,
        members=", ".join(gain.members),
        figure=metric.text(gain.figure),
        from_average=mean_difference_text(metric, gain.from_average),
        from_best=mean_difference_text(metric, gain.from_best),
        interval=interval_text(metric, gain.from_average),
        verdict=verdict(gain.from_average),
    )


def _chart(source: PageSource, gains: list[EnsembleGain]) -> Chart | None:
    if not gains:
        return None
    text = source.table.metric.text
    names = [f"{gain.row} / {gain.column}" for gain in gains]
    return Chart(
        key="ensembles",
        title="Ensembles and their members",
        description=f"Dot plot of {len(gains)} ensembles: {source.table.metric.heading} of each, and of its members.",
        x_label=source.table.metric.heading,
        y_label="",
        series=[
            Series(
                "a member",
                [
                    Point(value, place, f"{names[place]}, member {column}: {text(value)}")
                    for place, gain in enumerate(gains)
                    for column, value in gain.members.items()
                ],
                Style(0, 0, 0),
                connected=False,
            ),
            Series(
                "the ensemble",
                [Point(gain.figure, place, f"{names[place]}: {text(gain.figure)}") for place, gain in enumerate(gains)],
                Style(1, 3, 0),
                connected=False,
            ),
        ],
        table=FigureTable(
            ("ensemble", "figure", "members"),
            [
                (name, text(gain.figure), ", ".join(f"{column} {text(one)}" for column, one in gain.members.items()))
                for name, gain in zip(names, gains, strict=True)
            ],
        ),
        rows=names,
    )


def _finite(gain: EnsembleGain) -> bool:
    return all(map(math.isfinite, (gain.figure, *gain.members.values())))
