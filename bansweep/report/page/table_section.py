"""The table on the page: each figure with its spread, the paper's, and the verdict on the difference."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from bansweep.report.cells import ReportCell
from bansweep.report.notation import (
    difference_name,
    interval_text,
    mean_difference_text,
    mean_text,
    paper_verdict,
    spread_text,
    verdict,
)
from bansweep.report.page.source import PageSource
from bansweep.report.paired_differences import StudentDifference, paper_difference
from bansweep.report.table import ReportTable

Tone = Literal["better", "worse", "noise", "unknown"]

SIGNS: dict[Tone, str] = {"better": "▼", "worse": "▲", "noise": "≈", "unknown": ""}
"""Signs next to colours, for readers who do not see them; down is always better."""


@dataclass(frozen=True)
class CellView:
    """An entry of the table. `generation_id` is that of its record, empty where the page has none."""

    mean: str
    spread: str
    paper: str
    difference: str
    verdict: str
    tone: Tone
    sign: str
    generation_id: str


@dataclass(frozen=True)
class DifferenceView:
    """A line of the table of differences."""

    row: str
    name: str
    mean: str
    n: int
    interval: str
    verdict: str
    tone: Tone
    sign: str


def cell_views(source: PageSource, linked: Collection[str]) -> list[tuple[str, list[CellView | None]]]:
    """Row by row; None where a cell is not part of the sweep. `linked` generations have their records in the page."""
    first: dict[tuple[str, str], str] = {}
    for cell in source.plan.cells:
        if cell.generation_id in linked:
            first.setdefault((cell.row, cell.column), cell.generation_id)
    table = source.table
    ids = {
        (row, column + split.suffix): generation_id
        for (row, column), generation_id in first.items()
        for split in table.metric.splits
    }
    return [
        (row, [_view(table.cell(row, column), ids.get((row, column), "")) for column in table.columns])
        for row in table.rows
    ]


def difference_views(table: ReportTable, differences: Sequence[StudentDifference]) -> list[DifferenceView]:
    """A line for each difference with a finished seed."""
    views = []
    for one in differences:
        if one.paired.mean is None:
            continue
        tone = _tone(one.paired.mean, one.paired.within_noise)
        views.append(
            DifferenceView(
                row=one.row,
                name=difference_name(one),
                mean=mean_difference_text(table.metric, one.paired),
                n=one.paired.n,
                interval=interval_text(table.metric, one.paired),
                verdict=verdict(one.paired),
                tone=tone,
                sign=SIGNS[tone],
            )
        )
    return views


def _view(cell: ReportCell | None, generation_id: str) -> CellView | None:
    if cell is None:
        return None
    from_paper = paper_difference(cell)
    tone: Tone = "unknown" if from_paper is None else _tone(from_paper.mean, from_paper.within_noise)
    return CellView(
        mean=mean_text(cell),
        spread=spread_text(cell),
        paper="" if cell.paper is None else cell.metric.text(cell.paper),
        difference="" if from_paper is None else cell.metric.difference_text(from_paper.mean),
        verdict="" if from_paper is None else paper_verdict(from_paper),
        tone=tone,
        sign=SIGNS[tone],
        generation_id=generation_id,
    )


def _tone(difference: float, within_noise: bool | None) -> Tone:
    if within_noise is None:
        return "unknown"
    if within_noise:
        return "noise"
    return "better" if difference < 0 else "worse"
