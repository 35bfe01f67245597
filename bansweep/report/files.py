"""The files that a report is kept as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bansweep.report.comma_separated import comma_separated
from bansweep.report.markdown import markdown
from bansweep.report.table import ReportTable


def report_files(table: ReportTable, document: Mapping[str, Any], diagnostics: str | None = None) -> dict[str, str]:
    """File name -> text, for the store and the tracker.

    `document` is `report_document`'s, `diagnostics` `diagnostics_svg`'s; where that is None, there is no such file.
    """
    files = {
        "report.md": markdown(table),
        "report.csv": comma_separated(table),
        "report.json": json.dumps(document, indent=2) + "\n",
    }
    return files if diagnostics is None else {**files, "diagnostics.svg": diagnostics}
