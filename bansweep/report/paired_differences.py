"""Differences over replica seeds: from teachers, from baselines, from members, and from the paper."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bansweep.graph.plan import EnsembleCell, Plan
from bansweep.report.cells import ReportCell, mean, sample_deviation
from bansweep.report.metrics import metric_of

CONFIDENCE = 0.95


@dataclass(frozen=True)
class PairedDifference:
    """One column minus another, in the metric's unit: negative where the first is the better one.

    `values` has a difference for each replica seed, None where one of the two figures is missing. A replica's columns
    share one chain of teachers, so differences are taken seed by seed: an effect of a seed on both columns cancels.
    """

    values: tuple[float | None, ...]

    @property
    def n(self) -> int:
        """How many seeds have both figures."""
        return len(self._known)

    @cached_property
    def mean(self) -> float | None:
        """The mean over the seeds that have both figures; None where none has.

        Infinite or nan where figures are infinite, as the perplexity of a diverged network can be.
        """
        if all(map(math.isfinite, self._known)):
            return mean(self.values)
        # Infinities of both signs have no mean, and `statistics` raises an error for them.
        return sum(self._known) / self.n

    @cached_property
    def sd(self) -> float | None:
        """The sample standard deviation (n - 1) of the differences; None for fewer than two, and for infinite ones."""
        return sample_deviation(self.values)

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """The paired t-interval of the mean at CONFIDENCE, low and high; None where there is no `sd`.

        mean ± t(0.975; n - 1) sd / sqrt(n): differences are treated as independent draws from a normal distribution.
        Where all are equal, the interval has no width.
        """
        if self.mean is None or self.sd is None:
            return None
        half_width = two_sided_t(self.n) * self.sd / math.sqrt(self.n)
        return self.mean - half_width, self.mean + half_width

    @property
    def within_noise(self) -> bool | None:
        """Whether the interval contains 0, so that seeds alone may explain the difference; None without an interval."""
        if self.interval is None:
            return None
        low, high = self.interval
        return low <= 0 <= high

    @property
    def _known(self) -> tuple[float, ...]:
        return tuple(value for value in self.values if value is not None)


def two_sided_t(n: int) -> float:
    """The quantile of Student's t for CONFIDENCE and `n` draws (n - 1 degrees of freedom): 4.303 for three."""
    # Imported here: a report of one seed needs no scipy.
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, (1 + CONFIDENCE) / 2))


def paired_difference(figures: Sequence[float | None], others: Sequence[float | None]) -> PairedDifference:
    """`figures` minus `others`, both the `values` of cells: one for each replica seed, in the same order.

    Raises ValueError for sequences of different lengths.
    """
    pairs = zip(figures, others, strict=True)
    return PairedDifference(tuple(None if own is None or other is None else own - other for own, other in pairs))


@dataclass(frozen=True)
class PaperDifference:
    """The mean of a cell minus the paper's figure; negative where ours is the better one.

    `interval` would contain it, with 95 % confidence, if the paper's figure were that of one more seed; None for fewer
    than two seeds, and where a figure is infinite.
    """

    mean: float
    interval: tuple[float, float] | None

    @property
    def within_noise(self) -> bool | None:
        """Whether seeds alone may explain the difference; None without an interval."""
        if self.interval is None:
            return None
        low, high = self.interval
        return low <= self.mean <= high


def paper_difference(cell: ReportCell) -> PaperDifference | None:
    """None where there is nothing to compare: an unfinished cell, no figure in the paper, a rehearsal.

    0 ± t(0.975; n - 1) sd sqrt(1 + 1/n): the prediction interval of a single further draw around the mean of n. The
    paper prints one figure a cell, without spread: it is treated as a draw from the distribution of ours.
    """
    if cell.difference is None:
        return None
    if cell.sd is None or not math.isfinite(cell.difference):
        return PaperDifference(cell.difference, None)
    half_width = two_sided_t(cell.finished) * cell.sd * math.sqrt(1 + 1 / cell.finished)
    return PaperDifference(cell.difference, (-half_width, half_width))


@dataclass(frozen=True)
class StudentDifference:
    """A student (`row`, `column`) minus the column `reference` of its row: its teacher or its baseline."""

    row: str
    column: str
    reference: str
    paired: PairedDifference


def student_differences(plan: Plan, cells: Sequence[ReportCell]) -> tuple[StudentDifference, ...]:
    """Student minus teacher, for each cell whose generation has one, in the order of `cells` (of the same plan)."""
    return _differences(plan, cells, _teachers(plan))


def baseline_differences(plan: Plan, cells: Sequence[ReportCell]) -> tuple[StudentDifference, ...]:
    """Student minus baseline, the generation without a teacher that its chain began with, in the order of `cells`.

    Only for students whose teacher is a student, too: for the others it is the difference from the teacher.
    """
    teachers = _teachers(plan)
    baselines = {student: _baseline(teachers, student) for student in teachers}
    return _differences(plan, cells, {one: first for one, first in baselines.items() if first != teachers[one]})


def ensemble_differences(plan: Plan, cells: Sequence[ReportCell]) -> tuple[StudentDifference, ...]:
    """Ensemble minus baseline, for each ensemble whose members' chains began alike, where there are several seeds."""
    if len(plan.replica_seeds) == 1:
        return ()
    teachers = _teachers(plan)
    columns = {(cell.row, cell.replica_seed, cell.generation_id): cell.column for cell in reversed(plan.cells)}
    found: dict[str, set[str]] = {}
    for ensemble in plan.ensembles:
        for member in ensemble.members:
            column = columns[ensemble.row, ensemble.replica_seed, member]
            found.setdefault(ensemble.column, set()).add(_baseline(teachers, column))
    return _differences(plan, cells, {name: one.pop() for name, one in found.items() if len(one) == 1})


def _differences(
    plan: Plan, cells: Sequence[ReportCell], references: Mapping[str, str]
) -> tuple[StudentDifference, ...]:
    """`references` maps columns of the sweep to those that are subtracted from them."""
    metric = metric_of(plan)
    # Compare the same splits: the table has each column once for each split.
    subtracted = dict(zip(metric.columns(references), metric.columns(references.values()), strict=True))
    by_place = {(cell.row, cell.column): cell for cell in cells}
    return tuple(
        StudentDifference(
            cell.row, cell.column, reference, paired_difference(cell.values, by_place[cell.row, reference].values)
        )
        for cell in cells
        if (reference := subtracted.get(cell.column)) is not None and (cell.row, reference) in by_place
    )


def _baseline(teachers: Mapping[str, str], column: str) -> str:
    """The column that the chain of teachers of a column began with."""
    while column in teachers:
        column = teachers[column]
    return column


def _teachers(plan: Plan) -> dict[str, str]:
    """Student -> the column that teaches it; without ensembles and generations that have no teacher.

    A generation may fill several columns, and some only in some rows; the column looked for teaches in all of them.
    """
    shown: dict[str, dict[tuple[str, int], str]] = {column: {} for column in plan.columns}
    for cell in plan.cells:
        shown[cell.column][cell.row, cell.replica_seed] = cell.generation_id
    teachers = {}
    for student, generations in shown.items():
        taught_by = {place: plan.generations[generation_id].teacher for place, generation_id in generations.items()}
        if not taught_by or None in taught_by.values():
            continue
        for column, others in shown.items():
            if taught_by.items() <= others.items():
                teachers[student] = column
                break
    return teachers


@dataclass(frozen=True)
class EnsembleGain:
    """An ensemble of a row; means are over the seeds with all figures.

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
            by_column.setdefault(plan.column_in_row(cell.row, one), []).append(member)
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
