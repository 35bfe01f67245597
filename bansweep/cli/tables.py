"""Small tables: drawn on a terminal, plain columns in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import typer


@dataclass(frozen=True)
class PlainTable:
    """`figures` are the positions of columns with right-aligned numbers."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: frozenset[int] = frozenset()


def print_table(table: PlainTable) -> None:
    """Prints a table on stdout; in a pipe no line is cut."""
    if not sys.stdout.isatty():
        for line in lines_of(table):
            typer.echo(line)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place, heading in enumerate(table.headings):
        number = place in table.figures
        drawn.add_column(
            Text(heading), justify="right" if number else "left", no_wrap=number, overflow="fold", min_width=3
        )
    for row in table.rows:
        drawn.add_row(*map(Text, row))
    Console().print(drawn)


def lines_of(table: PlainTable) -> list[str]:
    """The heading and the rows as lines of plain text, two blanks between columns and before the first."""
    everything = [table.headings, *table.rows]
    widths = [max(map(len, column)) for column in zip(*everything, strict=True)]
    return [
        "  "
        + "  ".join(
            f"{text:>{width}}" if place in table.figures else f"{text:<{width}}"
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in everything
    ]
