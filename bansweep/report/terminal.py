"""The report on a terminal, laid out for its width."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from bansweep.report.cells import ReportCell
from bansweep.report.notation import (
    REHEARSAL,
    difference_notes,
    headline,
    mean_text,
    notes,
    paper_text,
    spread_text,
)
from bansweep.report.table import ReportTable

CellStyle = Callable[[ReportCell], str]


class TerminalReport:
    """What rich's `console.print` takes: the sweep's name, what the figures are, the table, notes, differences.

    A single seed has no differences: it says nothing about other seeds.
    """

    def __init__(self, table: ReportTable) -> None:
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._table.rehearsal:
            yield Text(REHEARSAL, style="bold")
            yield Text()
        yield Text(self._table.sweep, style="bold")
        yield Text(headline(self._table))
        yield Text()
        yield terminal_table(self._table, width=options.max_width)
        remarks = list(notes(self._table))
        if remarks:
            yield Text("\n" + "\n".join(remarks), style="dim")
        differences = list(difference_notes(self._table))
        if differences:
            unit = self._table.metric.difference_unit
            yield Text(f"\nPaired differences, {unit} (negative: the student is better)")
            yield Text("\n".join(differences), style="dim")


def terminal_table(table: ReportTable, *, width: int) -> Table:
    """The first layout that fits into `width` characters; the last one where none does.

    A network is a line as long as that fits (`17.42 ± 0.13  (paper 17.43, -0.01)`), then takes more lines, with the
    brackets and the spread below the mean; then the table is transposed; in the last layout each cell has its line.
    """
    ruler = Console(width=100_000)  # only measures: its width must not squeeze what it measures
    layouts = list(_layouts(table))
    return next((layout for layout in layouts if ruler.measure(layout).maximum <= width), layouts[-1])


def _layouts(table: ReportTable) -> Iterator[Table]:
    for style in (_in_one_line, _in_two_lines, _stacked):
        yield _networks_down(table, style)
    for style in (_in_one_line, _in_two_lines):
        yield _columns_down(table, style)
    yield _cells_down(table)


def _networks_down(table: ReportTable, style: CellStyle) -> Table:
    grid = _grid("network", table.columns)
    for row in table.rows:
        _add_row(grid, row, [table.cell(row, column) for column in table.columns], style)
    return grid


def _columns_down(table: ReportTable, style: CellStyle) -> Table:
    grid = _grid("", table.rows)
    for column in table.columns:
        _add_row(grid, column, [table.cell(row, column) for row in table.rows], style)
    return grid


def _cells_down(table: ReportTable) -> Table:
    """A line per cell below its network's name, in a single column, so that the narrowest terminal can wrap it."""
    name_width = max(len(column) for column in table.columns)
    lines = Table(box=None, show_header=False, pad_edge=False)
    lines.add_column(overflow="fold")
    for row in table.rows:
        lines.add_row(Text(row, style="bold"))
        for column in table.columns:
            cell = table.cell(row, column)
            if cell is not None:
                lines.add_row(Text(f"  {column.ljust(name_width)}  {_briefly(cell)}"))
    return lines


def _grid(corner: str, headings: Sequence[str]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    # Long names may break anywhere, figures never.
    grid.add_column(Text(corner), overflow="fold")
    for heading in headings:
        grid.add_column(Text(heading), justify="right", no_wrap=True)
    return grid


def _add_row(grid: Table, name: str, cells: Sequence[ReportCell | None], style: CellStyle) -> None:
    grid.add_row(Text(name), *(Text("" if cell is None else style(cell)) for cell in cells))


def _in_one_line(cell: ReportCell) -> str:
    return "  ".join(filter(None, (_mean_and_spread(cell), _in_brackets(cell, "(paper {})"))))


def _in_two_lines(cell: ReportCell) -> str:
    return "\n".join(filter(None, (_mean_and_spread(cell), _in_brackets(cell))))


def _stacked(cell: ReportCell) -> str:
    return "\n".join(filter(None, (mean_text(cell), spread_text(cell), _in_brackets(cell))))


def _briefly(cell: ReportCell) -> str:
    return " ".join(filter(None, (_mean_and_spread(cell), _in_brackets(cell))))


def _mean_and_spread(cell: ReportCell) -> str:
    return " ".join(filter(None, (mean_text(cell), spread_text(cell))))


def _in_brackets(cell: ReportCell, form: str = "({})") -> str:
    paper = paper_text(cell)
    return form.format(paper) if paper else ""
