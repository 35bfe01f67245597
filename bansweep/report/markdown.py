"""The report as Markdown that also reads well as plain text: the table, notes, and the students' gains."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bansweep.report.cells import ReportCell
from bansweep.report.notation import (
    INTERVAL,
    REHEARSAL,
    difference_name,
    headline,
    interval_text,
    mean_difference_text,
    mean_text,
    notes,
    paper_text,
    paper_title,
    spread_text,
    verdict,
)
from bansweep.report.paired_differences import StudentDifference
from bansweep.report.table import ReportTable

_BASELINE = "Likewise, from the network that learnt from labels and began the chain of teachers."


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
        blocks += ["## Student minus teacher", _what_differences_are(table), _differences(table, table.differences)]
    if table.from_baselines:
        blocks += ["## Minus baseline", _BASELINE, _differences(table, table.from_baselines)]
    return "\n\n".join(blocks) + "\n"


def _what_differences_are(table: ReportTable) -> str:
    unit = f"{table.metric.difference_unit.capitalize()}, negative where the student is better"
    if len(table.seeds) == 1:
        return f"{unit}. A single seed gives no interval: nothing here says what another seed would have done."
    return (
        f"{unit}: mean ± standard deviation of the differences seed by seed, and the paired t-interval of their mean. "
        "Within seed noise: the interval contains 0."
    )


def _differences(table: ReportTable, differences: Sequence[StudentDifference]) -> str:
    return (_networks_by_students if len(table.seeds) == 1 else _line_by_line)(table, differences)


def _networks_by_students(table: ReportTable, differences: Sequence[StudentDifference]) -> str:
    """Single figures, compact."""
    names = {one.column: difference_name(one) for one in differences}
    by_place = {(one.row, one.column): mean_difference_text(table.metric, one.paired) for one in differences}
    columns = [column for column in table.columns if column in names]
    rows = [row for row in table.rows if any((row, column) in by_place for column in columns)]
    return _pipe_table(
        ["network", *(_escaped(names[column]) for column in columns)],
        [[_escaped(row), *(by_place.get((row, column), "") for column in columns)] for row in rows],
    )


def _line_by_line(table: ReportTable, differences: Sequence[StudentDifference]) -> str:
    """A line for each difference, with its statistics over seeds."""
    return _pipe_table(
        ["network", "difference", "mean ± sd", "n", INTERVAL, "verdict"],
        [
            [
                _escaped(one.row),
                _escaped(difference_name(one)),
                mean_difference_text(table.metric, one.paired),
                str(one.paired.n),
                interval_text(table.metric, one.paired),
                verdict(one.paired),
            ]
            for one in differences
        ],
    )


def _cell_text(cell: ReportCell | None) -> str:
    if cell is None:
        return ""
    paper = paper_text(cell)
    return " ".join(filter(None, (mean_text(cell), spread_text(cell), f"({paper})" if paper else "")))


def _pipe_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with aligned source: names to the left, figures to the right."""
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
