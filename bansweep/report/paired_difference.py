"""The difference of two columns over replica seeds, and whether it is more than what seeds alone bring about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bansweep.report.cells import mean, sample_deviation

CONFIDENCE = 0.95


@dataclass(frozen=True)
class PairedDifference:
    """One column minus another, in the metric's unit: negative where the first is the better one.

    `values` has a difference for each replica seed, None where one of the two figures is missing. A replica's columns
    rest on one chain of teachers, so it is the differences that are taken over seeds: what a seed does to both columns
    cancels.
    """

    values: tuple[float | None, ...]

    @property
    def n(self) -> int:
        """How many seeds have both figures."""
        return len(self._known)

    @cached_property
    def mean(self) -> float | None:
        """The mean over the seeds that have both figures; None where none has.

        Infinite or nan where figures are infinite, as the perplexity of a network that has gone astray can be.
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

        mean ± t(0.975; n - 1) sd / sqrt(n): differences are taken for independent draws from a normal distribution.
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
