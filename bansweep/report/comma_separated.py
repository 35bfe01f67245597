"""The report as CSV, for spreadsheets and data frames: a line per cell, full precision, names quoted, numbers bare."""

from __future__ import annotations

import csv
import io

from bansweep.report.table import ReportTable


def comma_separated(table: ReportTable) -> str:
    """CSV text with a header line: network, column, kind, mean, sd, paper, and a column for each seed.

    What is not there (an unfinished seed, a figure that the paper lacks) is an empty string.
    """
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(["network", "column", "kind", "mean", "sd", "paper", *(f"seed {seed}" for seed in table.seeds)])
    for cell in table.cells:
        figures = (cell.mean, cell.sd, cell.paper, *cell.values)
        writer.writerow([cell.row, cell.column, cell.kind, *("" if figure is None else figure for figure in figures)])
    return text.getvalue()
