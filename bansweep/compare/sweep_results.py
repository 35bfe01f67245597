"""How the results of two sweeps differ: cell by cell, and seed by seed where both have the same seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from bansweep.graph.plan import Plan
from bansweep.report.cells import ReportCell, cells
from bansweep.report.metrics import Metric, metric_of
from bansweep.report.paired_differences import PairedDifference, paired_difference
from bansweep.report.stored_figures import FinishedGenerations

_Ids = dict[int, tuple[str, ...]]


@dataclass(frozen=True)
class CellResults:
    """A cell that both sweeps have, in the metric's unit.

    `paired` is right minus left for each seed that both have. `same`: every seed has the same generations (or
    ensembles of the same) on both sides, so that a difference can only come from two stores.
    """

    left: ReportCell
    right: ReportCell
    paired: PairedDifference
    same: bool

    @cached_property
    def difference(self) -> float | None:
        """Right minus left, over the seeds that both have where there are any, else of the means; None where one of the
        two is missing."""
        if self.paired.values:
            return self.paired.mean
        if self.left.mean is None or self.right.mean is None:
            return None
        return self.right.mean - self.left.mean


@dataclass(frozen=True)
class ResultsComparison:
    """`pairs` in the left sweep's order; `only_left` and `only_right` are the cells that only one of them has.

    `metric` is their common metric; None for a text sweep and an image sweep, which have no cells to compare.
    """

    metric: Metric | None
    pairs: tuple[CellResults, ...]
    only_left: tuple[ReportCell, ...]
    only_right: tuple[ReportCell, ...]


def compare_results(
    left: Plan, right: Plan, left_store: FinishedGenerations, right_store: FinishedGenerations
) -> ResultsComparison:
    """The stored figures of two plans, side by side. Raises the errors of `cells`."""
    lefts = {(cell.row, cell.column): cell for cell in cells(left, left_store, paper=None)}
    rights = {(cell.row, cell.column): cell for cell in cells(right, right_store, paper=None)}
    left_seeds, right_seeds = left.replica_seeds, right.replica_seeds
    left_ids, right_ids = _ids(left), _ids(right)
    metric = metric_of(left) if metric_of(left) == metric_of(right) else None

    def pair(key: tuple[str, str]) -> CellResults:
        figures = dict(zip(left_seeds, lefts[key].values, strict=True))
        others = dict(zip(right_seeds, rights[key].values, strict=True))
        common = [seed for seed in figures if seed in others]
        paired = paired_difference([others[seed] for seed in common], [figures[seed] for seed in common])
        return CellResults(lefts[key], rights[key], paired, same=left_ids[key] == right_ids[key])

    # Columns of equal name but different metrics are not compared.
    common = [key for key in lefts if key in rights] if metric else []
    return ResultsComparison(
        metric,
        pairs=tuple(map(pair, common)),
        only_left=tuple(cell for key, cell in lefts.items() if key not in common),
        only_right=tuple(cell for key, cell in rights.items() if key not in common),
    )


def _ids(plan: Plan) -> dict[tuple[str, str], _Ids]:
    """The generations of each cell of the table, by replica seed."""
    found: dict[tuple[str, str], _Ids] = {}
    for split in metric_of(plan).splits:
        for cell in plan.cells:
            found.setdefault((cell.row, cell.column + split.suffix), {})[cell.replica_seed] = (cell.generation_id,)
        for ensemble in plan.ensembles:
            key = (ensemble.row, ensemble.column + split.suffix)
            found.setdefault(key, {})[ensemble.replica_seed] = tuple(sorted(ensemble.members))
    return found
