"""Charts over generations: error along chains, and teachers against students."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import takewhile

from bansweep.graph.plan import Cell, Plan
from bansweep.report.notation import UNFINISHED, mean_text, spread_text
from bansweep.report.page.chart import Chart, FigureTable, Point, Series, Style
from bansweep.report.page.source import CHARTS, LINES, POINTS, PageSource, left_out
from bansweep.report.table import ReportTable


def chain_charts(source: PageSource) -> tuple[tuple[Chart, ...], str]:
    """The charts of rows with a chain that has two finished generations, and a remark on omitted ones."""
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


def column_chains(plan: Plan, row: str) -> tuple[tuple[str, ...], ...]:
    """The row's chains of columns, each from one that learns from labels to one that teaches none, in the plan's order.

    Chains may share their beginning. All replicas have the same chains unless one ended early: the longest is used. A
    generation in several columns counts once, in the first.
    """
    found: dict[tuple[str, ...], None] = {}
    by_seed: dict[int, list[Cell]] = {}
    for cell in plan.cells:
        if cell.row == row:
            by_seed.setdefault(cell.replica_seed, []).append(cell)
    for cells in by_seed.values():
        found.update(dict.fromkeys(_chains(plan, cells)))
    longest = [one for one in found if not any(other[: len(one)] == one for other in found if other != one)]
    place = {column: number for number, column in enumerate(plan.columns)}
    return tuple(sorted(longest, key=lambda chain: [place[column] for column in chain]))


def _chains(plan: Plan, cells: list[Cell]) -> list[tuple[str, ...]]:
    """Those of one replica."""
    column_of: dict[str, str] = {}
    for cell in cells:
        column_of.setdefault(cell.generation_id, cell.column)
    teachers = {plan.generations[one].teacher for one in column_of}
    chains = []
    for last in column_of:
        if last in teachers:
            continue
        shown = takewhile(column_of.__contains__, reversed(plan.lineage(last)))
        chains.append(tuple(column_of[one] for one in shown)[::-1])
    return chains


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
