"""A request's report from its store: the table, the document for programs, and the files to keep."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bansweep.errors import StoreError
from bansweep.graph.chains import ChainEnd, without_ended
from bansweep.graph.plan import Plan
from bansweep.report.chain_ends import chain_remarks, chains_document
from bansweep.report.diagnostics import recorded_diagnostics
from bansweep.report.diagnostics_figure import diagnostics_svg
from bansweep.report.document import Outcome, comma_separated, report_document
from bansweep.report.latex import latex
from bansweep.report.markdown import markdown
from bansweep.report.page.page import report_page
from bansweep.report.page.source import Commands, PageSource
from bansweep.report.table import ReportTable, report_table
from bansweep.service.request import SweepRequest
from bansweep.store.spending_ledger import SpendingLedger


@dataclass(frozen=True)
class SweepReport:
    """`plan` is the request's without generations after the ends of chains, `document` what `--json` prints. The page
    and the files take longer and are made on first use."""

    table: ReportTable
    plan: Plan
    document: dict[str, Any]
    _request: SweepRequest

    @cached_property
    def page(self) -> str:
        """The HTML page."""
        return report_page(self._source)

    @cached_property
    def files(self) -> dict[str, str]:
        """File name -> text, for the store and the tracker."""
        diagnostics = None
        if self._request.spec.diagnostics:
            histories = recorded_diagnostics(self.plan, self._request.store)
            diagnostics = diagnostics_svg(self.plan, histories, rehearsal=self._request.rehearsal)
        return report_files(self._source, self.document, diagnostics)

    @cached_property
    def _source(self) -> PageSource:
        return PageSource(
            table=self.table,
            plan=self.plan,
            store=self._request.store,
            commands=_commands(self._request),
            device_hours=_device_hours(self._request),
        )


def sweep_report(request: SweepRequest, ends: Sequence[ChainEnd], outcome: Outcome) -> SweepReport:
    """The report of a plan from the store; `ends` are its chains that ended early.

    Raises the errors of `report_table`.
    """
    plan = without_ended(request.plan, ends)
    remarks = chain_remarks(ends, several_seeds=len(request.spec.seeds) > 1)
    table = report_table(plan, request.store, paper=request.spec.paper, rehearsal=request.rehearsal, remarks=remarks)
    document = report_document(plan, table, outcome)
    document["chains"] = chains_document(ends)
    return SweepReport(table, plan, document, request)


def report_files(source: PageSource, document: Mapping[str, Any], diagnostics: str | None = None) -> dict[str, str]:
    """File name -> text, for the store and the tracker.

    `source` has the table and the page's other content, `document` comes from `report_document`, `diagnostics` from
    `diagnostics_svg`; None writes no such file.
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


def _commands(request: SweepRequest) -> Commands:
    return Commands(
        sweep_file=str(request.file),
        store=request.asked_location,
        holding=request.location,
        changes=request.changes,
    )


def _device_hours(request: SweepRequest) -> dict[str, float]:
    """The device hours by generation; none where a file cannot be read: the page then lacks the figure."""
    try:
        return SpendingLedger(request.store, request.spec.name).total()
    except StoreError:
        return {}
