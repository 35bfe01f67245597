"""What ensembles gain: each one's figure beside those of its members, seed by seed."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from bansweep.plan.plan import EnsembleCell, Plan
from bansweep.report.cells import ReportCell, mean
from bansweep.report.paired_difference import PairedDifference, paired_difference


@dataclass(frozen=True)
class EnsembleGain:
    """An ensemble of a row; means are over the seeds of which everything is finished.

    `members` maps the members' columns to their means; `from_average` is the ensemble minus its average member,
    `from_best` minus the best member of the same seed, which is chosen in hindsight: negative where the ensemble gains.
    """

    row: str
    column: str
    figure: float
    members: dict[str, float]
    from_average: PairedDifference
    from_best: PairedDifference


def ensemble_gain(
    plan: Plan,
    cell: ReportCell,
    seeds: tuple[int, ...],
    ensembles: dict[int, EnsembleCell],
    figure: Callable[[str], float | None],
) -> EnsembleGain | None:
    """The gain of one ensemble cell of a report; None where none of its seeds is finished.

    `seeds` are those that the cell's values belong to, `ensembles` the plan's cells by replica seed, `figure` a
    member's metric by its id.
    """
    average: list[float | None] = []
    best: list[float | None] = []
    by_column: dict[str, list[float]] = {}
    own: list[float | None] = []
    for seed, value in zip(seeds, cell.values, strict=True):
        ensemble = ensembles.get(seed)
        found = {one: figure(one) for one in ensemble.members} if ensemble is not None else {}
        known = {one: member for one, member in found.items() if member is not None}
        if value is None or not known or len(known) < len(found):
            average, best, own = [*average, None], [*best, None], [*own, None]
            continue
        for one, member in known.items():
            by_column.setdefault(_column(plan, cell.row, one), []).append(member)
        average.append(sum(known.values()) / len(known))
        best.append(min(known.values()))
        own.append(value)
    whole = mean(own)
    if whole is None:
        return None
    return EnsembleGain(
        row=cell.row,
        column=cell.column,
        figure=whole,
        members={column: statistics.fmean(values) for column, values in by_column.items()},
        from_average=paired_difference(own, average),
        from_best=paired_difference(own, best),
    )


def _column(plan: Plan, row: str, generation_id: str) -> str:
    return next(cell.column for cell in plan.cells_of[generation_id] if cell.row == row)
