"""The report as CSV, for spreadsheets and data frames: a line per cell, full precision, names quoted, numbers bare."""

from __future__ import annotations

import csv
import io

from bansweep.report.table import ReportTable

_FIXED_COLUMNS = ("network", "column", "kind", "mean", "sd", "paper", "difference", "rehearsal")


def comma_separated(table: ReportTable) -> str:
    """CSV text with a header line: the columns that every report has, then one for each seed.

    What is not there (an unfinished seed, a figure that the paper lacks) is an empty string. `difference` is the mean
    minus the paper's figure; `rehearsal` is true or false, the same in every line.
    """
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow([*_FIXED_COLUMNS, *(f"seed {seed}" for seed in table.seeds)])
    rehearsal = "true" if table.rehearsal else "false"
    for cell in table.cells:
        figures = _empty_for_none(cell.mean, cell.sd, cell.paper, cell.difference)
        writer.writerow([cell.row, cell.column, cell.kind, *figures, rehearsal, *_empty_for_none(*cell.values)])
    return text.getvalue()


def _empty_for_none(*figures: float | None) -> list[float | str]:
    return ["" if figure is None else figure for figure in figures]
