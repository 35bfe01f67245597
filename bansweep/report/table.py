"""The report as a value, from which every format is made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from bansweep.graph.plan import Plan
from bansweep.report.cells import ReportCell, cells
from bansweep.report.metrics import Metric, metric_of
from bansweep.report.paired_differences import (
    StudentDifference,
    baseline_differences,
    ensemble_differences,
    student_differences,
)
from bansweep.report.stored_figures import DamageTolerantStore, FinishedGenerations


@dataclass(frozen=True)
class ReportTable:
    """A sweep's table. `rows` and `columns` are in the sweep's order; a place without a cell was skipped.

    A sweep's column is there once for each split of the `metric`. `seeds` are the replica seeds that each cell's
    `values` belong to; `paper` names the paper's table beside it; `remarks` are sentences below the table. `damaged`
    names unusable files of the store; figures that need them count as unfinished. `differences` are from the teacher,
    `baseline_differences` (of students) and `ensemble_differences` from the first teacher in the chain. A `rehearsal`
    runs everything with very little data for one epoch: its figures mean nothing and are compared with none.
    """

    sweep: str
    metric: Metric
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    seeds: tuple[int, ...]
    paper: str | None
    cells: tuple[ReportCell, ...]
    differences: tuple[StudentDifference, ...]
    baseline_differences: tuple[StudentDifference, ...] = ()
    ensemble_differences: tuple[StudentDifference, ...] = ()
    remarks: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    rehearsal: bool = False

    @property
    def from_baselines(self) -> tuple[StudentDifference, ...]:
        """Students and ensembles minus the first teacher in their chain."""
        return (*self.baseline_differences, *self.ensemble_differences)

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], ReportCell]:
        return {(cell.row, cell.column): cell for cell in self.cells}

    def cell(self, row: str, column: str) -> ReportCell | None:
        """The cell at a place; None where it was skipped."""
        return self._by_place.get((row, column))


def report_table(
    plan: Plan,
    store: FinishedGenerations,
    *,
    paper: str | None,
    rehearsal: bool = False,
    remarks: tuple[str, ...] = (),
) -> ReportTable:
    """The table of a plan from what the store holds now. Raises what `cells` raises."""
    tolerant = DamageTolerantStore(store)
    metric = metric_of(plan)
    made = cells(plan, tolerant, paper=paper, rehearsal=rehearsal)
    return ReportTable(
        sweep=plan.sweep,
        metric=metric,
        rows=plan.rows,
        columns=metric.columns(plan.columns),
        seeds=plan.replica_seeds,
        paper=paper,
        cells=made,
        differences=() if rehearsal else student_differences(plan, made),
        baseline_differences=() if rehearsal else baseline_differences(plan, made),
        ensemble_differences=() if rehearsal else ensemble_differences(plan, made),
        remarks=remarks,
        damaged=tolerant.messages,
        rehearsal=rehearsal,
    )
