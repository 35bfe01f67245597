"""The report's files by their names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bansweep.graph.plan import Plan
from bansweep.report.document import Outcome, comma_separated, report_document
from bansweep.report.latex import latex
from bansweep.report.markdown import markdown
from bansweep.report.page.page import report_page
from bansweep.report.page.source import Commands, PageSource
from bansweep.report.table import report_table
from bansweep.service.sweep_report import report_files


@pytest.fixture
def source(plan: Plan, empty: Any) -> PageSource:
    table = report_table(plan, empty, paper="table2")
    return PageSource(table, plan, empty, Commands("example.yaml", "store", "store"))


def test_a_file_for_each_format(source: PageSource) -> None:
    document = report_document(source.plan, source.table, Outcome())
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
