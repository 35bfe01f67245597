"""The report's files by their names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bansweep.plan.plan import Plan
from bansweep.report.comma_separated import comma_separated
from bansweep.report.document import Outcome, report_document
from bansweep.report.files import report_files
from bansweep.report.latex import latex
from bansweep.report.markdown import markdown
from bansweep.report.page.commands import Commands
from bansweep.report.page.page import report_page
from bansweep.report.page.source import PageSource
from bansweep.report.table import report_table


@pytest.fixture
def source(plan: Plan, empty: Any) -> PageSource:
    table = report_table(plan, empty, paper="table2")
    return PageSource(table, plan, empty, Commands("example.yaml", "store", "store"))


def test_a_file_for_each_format(source: PageSource) -> None:
    document = report_document(source.plan, source.table.cells, Outcome())
    files = report_files(source, document)
    assert list(files) == ["report.md", "report.csv", "report.tex", "report.json", "report.html"]
    assert files["report.md"] == markdown(source.table)
    assert files["report.csv"] == comma_separated(source.table)
    assert files["report.tex"] == latex(source.table)
    assert json.loads(files["report.json"]) == document
    assert files["report.html"] == report_page(source)


def test_the_diagnostics_plot_is_there_where_there_is_one(source: PageSource) -> None:
    without = report_files(source, {}, diagnostics=None)
    assert report_files(source, {}, diagnostics="<svg/>") == {**without, "diagnostics.svg": "<svg/>"}
    assert "diagnostics.svg" not in without
