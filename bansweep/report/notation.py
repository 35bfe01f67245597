"""How figures are written, and the sentences around them, the same in every format that people read."""

from __future__ import annotations

from collections.abc import Iterator

from bansweep.report.cells import ReportCell
from bansweep.report.paper_figures import paper_table
from bansweep.report.table import ReportTable

UNFINISHED = "–"

REHEARSAL = "REHEARSAL: very little data for one epoch; these figures say nothing about the networks"


def mean_text(cell: ReportCell) -> str:
    """The mean, or the dash of an unfinished cell."""
    return UNFINISHED if cell.mean is None else cell.metric.text(cell.mean)


def spread_text(cell: ReportCell) -> str:
    """`± 0.13`; nothing for fewer than two values."""
    return "" if cell.sd is None else f"± {cell.metric.text(cell.sd)}"


def paper_text(cell: ReportCell) -> str:
    """The paper's figure and how far the mean is from it: `17.43, -0.01`; nothing where the paper has no figure."""
    if cell.paper is None:
        return ""
    difference = "" if cell.difference is None else f", {cell.metric.difference_text(cell.difference)}"
    return cell.metric.text(cell.paper) + difference


def headline(table: ReportTable) -> str:
    """What the figures are: the metric and its unit, over how many seeds, and what the brackets hold."""
    count = len(table.seeds)
    text = f"{table.metric.heading}: " + (
        f"mean ± standard deviation over {count} seeds" if count > 1 else f"one seed ({table.seeds[0]})"
    )
    if any(cell.paper is not None for cell in table.cells):
        text += f"; in brackets the paper's ({paper_name(table)})"
    if any(cell.difference is not None for cell in table.cells):
        text += f" and ours minus the paper's, in {table.metric.difference_unit}"
    return text


def paper_name(table: ReportTable) -> str:
    """`table 2`, as the paper numbers it; nothing where the sweep names none."""
    return "" if table.paper is None else table.paper.replace("table", "table ")


def paper_title(table: ReportTable) -> str:
    """What the paper's table is about; nothing where the sweep names none."""
    return "" if table.paper is None else paper_table(table.paper).title


def notes(table: ReportTable) -> Iterator[str]:
    """What a reader must know of missing figures: cells without any, and cells that stand for fewer seeds."""
    unfinished = sum(cell.mean is None for cell in table.cells)
    if unfinished:
        yield f"{UNFINISHED}: not finished ({unfinished} of {len(table.cells)} cells)"
    partial: dict[int, list[str]] = {}
    for cell in table.cells:
        if 0 < cell.finished < len(cell.values):
            partial.setdefault(cell.finished, []).append(f"{cell.row} / {cell.column}")
    for finished, places in sorted(partial.items()):
        yield f"over {finished} of {len(table.seeds)} seeds so far: {', '.join(places)}"
    if len(table.cells) < len(table.rows) * len(table.columns):
        yield "empty: not part of the sweep"
    yield from table.damaged
