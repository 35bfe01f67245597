"""The cells of the table: for each network and column a figure per seed, their mean and spread, and the paper's."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bansweep.graph.plan import Plan
from bansweep.report.metrics import Metric, Split, metric_of
from bansweep.report.paper_figures import paper_figure, paper_table
from bansweep.report.stored_figures import Figures, FinishedGenerations, ensemble_figures, recorded_figures

CellKind = Literal["generation", "ensemble"]


@dataclass(frozen=True)
class ReportCell:
    """One entry of the table, in the metric's unit.

    `column` is the table's: a sweep's column with the suffix of a split. `values` has one for each replica seed in the
    sweep's order, None where it is not finished, or never will be: a chain can end earlier for some seeds than for
    others. `expected` is the number of values at the end (all, if None); `mean` and `sd` are over the finished ones.
    `paper` is the figure that the paper prints there. In a `rehearsal` the figures mean nothing.
    """

    row: str
    column: str
    metric: Metric
    values: tuple[float | None, ...]
    mean: float | None
    sd: float | None
    paper: float | None
    kind: CellKind
    rehearsal: bool = False
    expected: int | None = None

    @property
    def difference(self) -> float | None:
        """The mean minus the paper's figure; None where one of them is missing, and in a rehearsal."""
        if self.mean is None or self.paper is None or self.rehearsal:
            return None
        return self.mean - self.paper

    @property
    def finished(self) -> int:
        """How many of the values are there."""
        return sum(value is not None for value in self.values)

    @property
    def unfinished(self) -> int:
        """How many of the values are still to come."""
        return (len(self.values) if self.expected is None else self.expected) - self.finished


def cells(
    plan: Plan, store: FinishedGenerations, *, paper: str | None, rehearsal: bool = False
) -> tuple[ReportCell, ...]:
    """Every cell of the table, row by row in the order of its columns; skipped ones are not among them.

    A figure that needs a damaged file counts as unfinished; `DamageTolerantStore` collects the reasons.

    `paper` names the paper's table to put beside the figures. Raises RequestError for an unknown one, StoreError for
    a record without the plan's metric and for ensembles of different data.
    """
    metric = metric_of(plan)
    recorded = recorded_figures(plan, metric, store)
    seeds = plan.replica_seeds
    figures: dict[tuple[str, str], dict[int, Figures | None]] = {}
    for cell in plan.cells:
        figures.setdefault((cell.row, cell.column), {})[cell.replica_seed] = recorded.get(cell.generation_id)
    ensembles = {(ensemble.row, ensemble.column) for ensemble in plan.ensembles}
    for ensemble in plan.ensembles:
        whole = recorded.keys() >= set(ensemble.members)
        found = ensemble_figures(metric, ensemble.members, store) if whole else None
        figures.setdefault((ensemble.row, ensemble.column), {})[ensemble.replica_seed] = found

    def made(row: str, column: str, split: Split) -> ReportCell:
        by_seed = figures[row, column]
        values = [None if (one := by_seed.get(seed)) is None else one[split.recorded_as] for seed in seeds]
        return ReportCell(
            row=row,
            column=column + split.suffix,
            metric=metric,
            values=tuple(values),
            mean=mean(values),
            sd=sample_deviation(values),
            paper=_paper_figure(paper, metric, row, column + split.suffix),
            kind="ensemble" if (row, column) in ensembles else "generation",
            rehearsal=rehearsal,
            expected=len(by_seed),
        )

    return tuple(
        made(row, column, split)
        for row in plan.rows
        for split in metric.splits
        for column in plan.columns
        if (row, column) in figures
    )


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of the values that are not None; None where all are."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def sample_deviation(values: Sequence[float | None]) -> float | None:
    """The sample standard deviation (n - 1) of the values that are not None; None for fewer than two.

    None as well where one is infinite, as the perplexity of a diverged network can be.
    """
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) > 1 and all(map(math.isfinite, known)) else None


def _paper_figure(table: str | None, metric: Metric, row: str, column: str) -> float | None:
    # Never show a figure of another metric: it would invite a wrong comparison.
    if table is None or paper_table(table).metric != metric.name:
        return None
    return paper_figure(table, row, column)
