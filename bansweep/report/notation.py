"""How figures and the sentences around them are written, the same in every format for readers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bansweep.report.cells import ReportCell
from bansweep.report.metrics import Metric
from bansweep.report.paired_differences import CONFIDENCE, PairedDifference, PaperDifference, StudentDifference
from bansweep.report.paper_figures import paper_table
from bansweep.report.table import ReportTable

UNFINISHED = "–"

CONFIDENCE_PERCENT = f"{CONFIDENCE:.0%}".replace("%", " %")
INTERVAL = f"{CONFIDENCE_PERCENT} interval"

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


def difference_name(difference: StudentDifference) -> str:
    """`ban − teacher`."""
    return f"{difference.column} − {difference.reference}"


def mean_difference_text(metric: Metric, paired: PairedDifference) -> str:
    """`-0.42 ± 0.31`; without the spread where fewer than two seeds give none, a dash where none is finished."""
    if paired.mean is None:
        return UNFINISHED
    spread = "" if paired.sd is None else f" ± {metric.text(paired.sd)}"
    return metric.difference_text(paired.mean) + spread


def interval_text(metric: Metric, paired: PairedDifference) -> str:
    """`-1.19 … +0.35`; nothing where there is no interval."""
    if paired.interval is None:
        return ""
    low, high = paired.interval
    return f"{metric.difference_text(low)} … {metric.difference_text(high)}"


def verdict(paired: PairedDifference) -> str:
    """The interval's verdict on the difference, or why there is no interval; empty where no seed is finished."""
    if paired.n == 0:
        return ""
    if paired.within_noise is None:
        return "one seed, no interval" if paired.n == 1 else "infinite figures, no interval"
    return "within seed noise" if paired.within_noise else "beyond seed noise"


def paper_verdict(from_paper: PaperDifference) -> str:
    """The verdict on a difference from the paper: `better, beyond seed noise`; empty where there is none."""
    if from_paper.within_noise is None:
        return ""
    if from_paper.within_noise:
        return "within seed noise"
    return f"{'better' if from_paper.mean < 0 else 'worse'}, beyond seed noise"


def difference_notes(table: ReportTable) -> Iterator[str]:
    """A line for each known difference: from teachers, then from baselines; none in a table of one seed.

    `ban − teacher, wrn-10-1: -0.42 ± 0.31 (95 % interval -1.19 … +0.35, n = 3): within seed noise`.
    """
    if len(table.seeds) == 1:
        return
    for difference in (*table.differences, *table.from_baselines):
        paired = difference.paired
        if paired.n == 0:
            continue
        interval = interval_text(table.metric, paired)
        brackets = ", ".join(filter(None, (f"{INTERVAL} {interval}" if interval else "", f"n = {paired.n}")))
        yield (
            f"{difference_name(difference)}, {difference.row}: {mean_difference_text(table.metric, paired)} "
            f"({brackets}): {verdict(paired)}"
        )


def headline(table: ReportTable) -> str:
    """What the figures are: the metric and its unit, over how many seeds, and what the brackets hold."""
    text = figures_text(table)
    if any(cell.paper is not None for cell in table.cells):
        text += f"; in brackets the paper's ({paper_name(table)})"
    if any(cell.difference is not None for cell in table.cells):
        text += f" and ours minus the paper's, in {table.metric.difference_unit}"
    return text


def figures_text(table: ReportTable) -> str:
    """What the figures are, without the paper's: the metric and its unit, over how many seeds."""
    return f"{table.metric.heading}: {_over_seeds(table)}"


def paper_name(table: ReportTable) -> str:
    """`table 2`, as the paper numbers it; nothing where the sweep names none."""
    return "" if table.paper is None else table.paper.replace("table", "table ")


def paper_title(table: ReportTable) -> str:
    """What the paper's table is about; nothing where the sweep names none."""
    return "" if table.paper is None else paper_table(table.paper).title


def notes(table: ReportTable) -> Iterator[str]:
    """Notes on missing figures: unfinished cells, and cells with fewer seeds."""
    unfinished = sum(cell.mean is None for cell in table.cells)
    if unfinished:
        yield f"{UNFINISHED}: not finished ({unfinished} of {len(table.cells)} cells)"
    begun = [cell for cell in table.cells if cell.finished]
    if len(_counts(table)) > 1:
        for finished, places in sorted(_places_by_count(cell for cell in begun if cell.unfinished).items()):
            yield f"n = {finished} of {len(table.seeds)} seeds so far: {places}"
    shorter = (cell for cell in begun if not cell.unfinished and cell.finished < len(cell.values))
    for finished, places in sorted(_places_by_count(shorter).items(), reverse=True):
        yield (
            f"n = {finished} of {len(table.seeds)} seeds, those whose chains came so far: {places}; "
            "they are no fair sample of all seeds"
        )
    if len(table.cells) < len(table.rows) * len(table.columns):
        yield "empty: not part of the sweep"
    yield from table.remarks
    yield from table.damaged


def _places_by_count(cells: Iterable[ReportCell]) -> dict[int, str]:
    """The number of finished seeds -> the cells with that many."""
    places: dict[int, list[str]] = {}
    for cell in cells:
        places.setdefault(cell.finished, []).append(f"{cell.row} / {cell.column}")
    return {finished: ", ".join(names) for finished, names in places.items()}


def _over_seeds(table: ReportTable) -> str:
    """The number of seeds in the cells; where it differs, `notes` list the cells with fewer."""
    seeds = len(table.seeds)
    if seeds == 1:
        return f"one seed ({table.seeds[0]})"
    counts = _counts(table)
    if counts and (max(counts) < seeds or any(cell.expected not in (None, seeds) for cell in table.cells)):
        over = f"n = {max(counts)} of {seeds} seeds so far" if len(counts) == 1 else f"up to {seeds} seeds"
    else:
        over = f"n = {seeds} seeds"
    return f"mean ± standard deviation over {over}"


def _counts(table: ReportTable) -> set[int]:
    """The distinct numbers of finished seeds in cells."""
    return {cell.finished for cell in table.cells if cell.finished}
