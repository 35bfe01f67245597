"""A request's report, from what its store holds: the table, the document for programs, the files to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bansweep.cli.planning import SweepRequest
from bansweep.plan.chains import ChainEnd, without_ended
from bansweep.report.chain_ends import chain_remarks, chains_document
from bansweep.report.diagnostics_plot import diagnostics_svg
from bansweep.report.document import Outcome, report_document
from bansweep.report.files import report_files
from bansweep.report.recorded_diagnostics import recorded_diagnostics
from bansweep.report.table import ReportTable, report_table


@dataclass(frozen=True)
class SweepReport:
    """`document` is what `--json` prints; `files` maps names to texts."""

    table: ReportTable
    document: dict[str, Any]
    files: dict[str, str]


def sweep_report(request: SweepRequest, ends: Sequence[ChainEnd], outcome: Outcome) -> SweepReport:
    """The report of a plan as it stands, of which `ends` ended early. Raises what `report_table` raises."""
    store = request.store
    plan = without_ended(request.plan, ends)
    remarks = chain_remarks(ends, several_seeds=len(request.spec.seeds) > 1)
    table = report_table(plan, store, paper=request.spec.paper, rehearsal=request.rehearsal, remarks=remarks)
    document = report_document(plan, table.cells, outcome, table.damaged, rehearsal=request.rehearsal)
    document["chains"] = chains_document(ends)
    diagnostics = None
    if request.spec.diagnostics:
        diagnostics = diagnostics_svg(plan, recorded_diagnostics(plan, store), rehearsal=request.rehearsal)
    return SweepReport(table, document, report_files(table, document, diagnostics))
