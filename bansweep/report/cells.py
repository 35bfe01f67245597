"""The cells of the table: for each network and column a figure per seed, their mean and spread, and the paper's."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bansweep.errors import DamagedError, StoreError
from bansweep.plan.plan import Plan
from bansweep.report.ensemble import ensemble_error
from bansweep.report.paper_figures import paper_figure, paper_table
from bansweep.report.results import FinishedGenerations

CellKind = Literal["generation", "ensemble"]

METRIC = "test_error"


@dataclass(frozen=True)
class ReportCell:
    """One entry of the table, in percent test error.

    `values` has one for each replica seed in the sweep's order, None where it is not finished yet; `mean` and `sd`
    are over the finished ones. `paper` is the figure that the paper prints there.
    """

    row: str
    column: str
    values: tuple[float | None, ...]
    mean: float | None
    sd: float | None
    paper: float | None
    kind: CellKind

    @property
    def finished(self) -> int:
        """How many of the values are there."""
        return sum(value is not None for value in self.values)


def cells(plan: Plan, store: FinishedGenerations, *, paper: str | None) -> tuple[ReportCell, ...]:
    """Every cell of the plan, row by row in the order of its columns; skipped ones are not among them.

    A figure that needs a damaged file counts as unfinished: the others are worth showing, and `DamageNoted` tells why.

    `paper` names the paper's table to put beside the figures. Raises RequestError for an unknown one, StoreError for
    a record without a test error and for ensembles of different images.
    """
    errors = _test_errors(plan, store)
    values: dict[tuple[str, str], list[float | None]] = {}
    for cell in plan.cells:
        values.setdefault((cell.row, cell.column), []).append(errors.get(cell.generation_id))
    ensembles = {(ensemble.row, ensemble.column) for ensemble in plan.ensembles}
    for ensemble in plan.ensembles:
        error = _ensemble_error(ensemble.members, store) if errors.keys() >= set(ensemble.members) else None
        values.setdefault((ensemble.row, ensemble.column), []).append(error)
    return tuple(
        ReportCell(
            row=row,
            column=column,
            values=tuple(values[row, column]),
            mean=mean(values[row, column]),
            sd=sample_deviation(values[row, column]),
            paper=_papers(paper, row, column),
            kind="ensemble" if (row, column) in ensembles else "generation",
        )
        for row in plan.rows
        for column in plan.columns
        if (row, column) in values
    )


def replica_seeds(plan: Plan) -> tuple[int, ...]:
    """The seeds that a cell's `values` belong to, in the sweep's order."""
    return tuple(dict.fromkeys(cell.replica_seed for cell in plan.cells))


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of those that are there; None where none is."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def sample_deviation(values: Sequence[float | None]) -> float | None:
    """The sample standard deviation (n - 1) of those that are there; None for fewer than two."""
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) > 1 else None


def _test_errors(plan: Plan, store: FinishedGenerations) -> Mapping[str, float]:
    """Generation id -> test error in percent, for the finished and undamaged ones."""
    errors: dict[str, float] = {}
    for generation_id in plan.generations:
        try:
            record = store.record(generation_id)
        except DamagedError:
            continue
        if record is None:
            continue
        if METRIC not in record.metrics:
            raise StoreError(
                f"the record of generation {generation_id} ({plan.label(generation_id)}) has no {METRIC!r}",
                remedy=f"move generations/{generation_id} of the store away; the next run trains it again",
            )
        errors[generation_id] = float(record.metrics[METRIC])
    return errors


def _ensemble_error(members: Sequence[str], store: FinishedGenerations) -> float | None:
    """None where the predictions of a member are damaged."""
    try:
        return ensemble_error((member, store.predictions(member)) for member in members)
    except DamagedError:
        return None


def _papers(table: str | None, row: str, column: str) -> float | None:
    # A perplexity is no error: nothing is better than a figure that invites the wrong comparison.
    if table is None or paper_table(table).metric != METRIC:
        return None
    return paper_figure(table, row, column)
