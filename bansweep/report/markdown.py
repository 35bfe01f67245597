"""The report as Markdown that reads well as plain text, too: the table, notes, and what the students gain."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bansweep.report.cells import ReportCell
from bansweep.report.metrics import Metric
from bansweep.report.notation import (
    REHEARSAL,
    UNFINISHED,
    headline,
    mean_text,
    notes,
    paper_text,
    paper_title,
    spread_text,
)
from bansweep.report.summary import StudentDifference
from bansweep.report.table import ReportTable


def markdown(table: ReportTable) -> str:
    """GitHub-flavoured Markdown, ending in a newline."""
    blocks = [f"# {_escaped(table.sweep)}"]
    if table.rehearsal:
        blocks.append(f"> **{REHEARSAL}.**")
    blocks.append(f"{headline(table)}.")
    if table.paper is not None:
        blocks.append(f"Paper: {paper_title(table)}.")
    blocks.append(
        _pipe_table(
            ["network", *(_escaped(column) for column in table.columns)],
            [[_escaped(row), *(_cell_text(table.cell(row, column)) for column in table.columns)] for row in table.rows],
        )
    )
    remarks = [f"- {_escaped(note)}" for note in notes(table)]
    if remarks:
        blocks.append("\n".join(remarks))
    if table.differences:
        blocks += ["## Student minus teacher", _differences(table)]
    return "\n\n".join(blocks) + "\n"


def _differences(table: ReportTable) -> str:
    pairs = {difference.column: difference.teacher for difference in table.differences}
    by_place = {(difference.row, difference.column): difference for difference in table.differences}
    columns = [column for column in table.columns if column in pairs]
    rows = [row for row in table.rows if any((row, column) in by_place for column in columns)]
    intro = f"{table.metric.difference_unit.capitalize()}, negative where the student is better"
    if len(table.seeds) > 1:
        intro += ": mean ± standard deviation of each student's difference from its own teacher"
    grid = _pipe_table(
        ["network", *(_escaped(f"{column} − {pairs[column]}") for column in columns)],
        [
            [_escaped(row), *(_difference_text(table.metric, by_place.get((row, column))) for column in columns)]
            for row in rows
        ],
    )
    return f"{intro}.\n\n{grid}"


def _cell_text(cell: ReportCell | None) -> str:
    if cell is None:
        return ""
    paper = paper_text(cell)
    return " ".join(filter(None, (mean_text(cell), spread_text(cell), f"({paper})" if paper else "")))


def _difference_text(metric: Metric, difference: StudentDifference | None) -> str:
    if difference is None:
        return ""
    if difference.mean is None:
        return UNFINISHED
    spread = "" if difference.sd is None else f" ± {metric.text(difference.sd)}"
    return metric.difference_text(difference.mean) + spread


def _pipe_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose source lines up: names to the left, figures to the right."""
    widths = [max(3, *(len(line[index]) for line in (header, *rows))) for index in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]

    def line(texts: Sequence[str]) -> str:
        padded = [
            texts[0].ljust(widths[0]),
            *(text.rjust(width) for text, width in zip(texts[1:], widths[1:], strict=True)),
        ]
        return f"| {' | '.join(padded)} |"

    return "\n".join([line(header), line(rule), *(line(row) for row in rows)])


def _escaped(text: str) -> str:
    """Names may hold `*` and `_`, which Markdown would take for emphasis."""
    return re.sub(r"([*_\\|])", r"\\\1", text)
