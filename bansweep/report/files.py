"""The files that a report is kept as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bansweep.report.comma_separated import comma_separated
from bansweep.report.latex import latex
from bansweep.report.markdown import markdown
from bansweep.report.page.page import report_page
from bansweep.report.page.source import PageSource


def report_files(source: PageSource, document: Mapping[str, Any], diagnostics: str | None = None) -> dict[str, str]:
    """File name -> text, for the store and the tracker.

    `source` has the table, and what the page shows beside it; `document` is `report_document`'s, `diagnostics`
    `diagnostics_svg`'s; where that is None, there is no such file.
    """
    table = source.table
    files = {
        "report.md": markdown(table),
        "report.csv": comma_separated(table),
        "report.tex": latex(table),
        "report.json": json.dumps(document, indent=2) + "\n",
        "report.html": report_page(source),
    }
    return files if diagnostics is None else {**files, "diagnostics.svg": diagnostics}
