"""Error against generation: for each network a chart with a line for each chain of teachers and students."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bansweep.report.column_chains import column_chains
from bansweep.report.notation import UNFINISHED, mean_text, spread_text
from bansweep.report.page.chart import Chart, FigureTable, Point, Series, Style
from bansweep.report.page.limits import CHARTS, LINES, left_out
from bansweep.report.page.source import PageSource
from bansweep.report.table import ReportTable


def chain_charts(source: PageSource) -> tuple[tuple[Chart, ...], str]:
    """The charts, of rows that have a chain of which two generations are finished, and what was left out."""
    rows = [row for row in source.table.rows if any(len(chain) > 1 for chain in column_chains(source.plan, row))]
    charts = (_chart(source, row, f"chains-{number}") for number, row in enumerate(rows[:CHARTS]))
    return tuple(chart for chart in charts if chart is not None), left_out(CHARTS, len(rows), "networks")


def _chart(source: PageSource, row: str, key: str) -> Chart | None:
    chains = [chain for chain in column_chains(source.plan, row) if len(chain) > 1]
    drawn = [
        Series(f"{chain[0]} → {', '.join(chain[1:])}", tuple(_points(source, row, chain)), Style.number(number))
        for number, chain in enumerate(chains[:LINES])
    ]
    if not any(len(one.points) > 1 for one in drawn):
        return None
    seeds = "" if len(source.table.seeds) == 1 else ", mean over seeds with one standard deviation each way"
    return Chart(
        key=key,
        title=row,
        description=f"Line chart for {row}: {source.table.metric.heading} against the generation, a line for each of "
        f"{len(drawn)} chains{seeds}.",
        x_label="generation (0: learns from labels)",
        y_label=source.table.metric.heading,
        series=drawn,
        table=_table(source, row, chains[:LINES]),
        x_integer=True,
        remark=left_out(LINES, len(chains), "chains"),
    )


def _points(source: PageSource, row: str, chain: tuple[str, ...]) -> Iterator[Point]:
    for generation, column in enumerate(chain):
        cell = source.table.cell(row, source.shown_column(column))
        if cell is None or cell.mean is None or not math.isfinite(cell.mean):
            continue
        label = f"{column}: {_cell_text(source.table, row, source.shown_column(column))}"
        ends = (None, None) if cell.sd is None else (cell.mean - cell.sd, cell.mean + cell.sd)
        yield Point(generation, cell.mean, label, *ends)


def _table(source: PageSource, row: str, chains: list[tuple[str, ...]]) -> FigureTable:
    longest = max(map(len, chains))
    rows = []
    for generation in range(longest):
        entries = [
            f"{chain[generation]}: {_cell_text(source.table, row, source.shown_column(chain[generation]))}"
            if generation < len(chain)
            else ""
            for chain in chains
        ]
        rows.append((str(generation), *entries))
    return FigureTable(("generation", *(f"to {chain[-1]}" for chain in chains)), rows)


def _cell_text(table: ReportTable, row: str, column: str) -> str:
    cell = table.cell(row, column)
    return UNFINISHED if cell is None else " ".join(filter(None, (mean_text(cell), spread_text(cell))))
