"""The report's files by their names."""

from __future__ import annotations

import json
from typing import Any

from bansweep.plan.plan import Plan
from bansweep.report.comma_separated import comma_separated
from bansweep.report.document import Outcome, report_document
from bansweep.report.files import report_files
from bansweep.report.markdown import markdown
from bansweep.report.table import report_table


def test_a_file_for_each_format(plan: Plan, memory: Any) -> None:
    table = report_table(plan, memory, paper="table2")
    document = report_document(plan, table.cells, Outcome())
    files = report_files(table, document)
    assert list(files) == ["report.md", "report.csv", "report.json"]
    assert files["report.md"] == markdown(table)
    assert files["report.csv"] == comma_separated(table)
    assert json.loads(files["report.json"]) == document


def test_the_diagnostics_plot_is_there_where_there_is_one(plan: Plan, memory: Any) -> None:
    table = report_table(plan, memory, paper=None)
    without = report_files(table, {}, diagnostics=None)
    assert report_files(table, {}, diagnostics="<svg/>") == {**without, "diagnostics.svg": "<svg/>"}
    assert "diagnostics.svg" not in without
