"""The difference of a cell from the paper's figure, and whether it is more than what seeds alone bring about."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bansweep.report.cells import ReportCell
from bansweep.report.paired_difference import two_sided_t


@dataclass(frozen=True)
class PaperDifference:
    """The mean of a cell minus the paper's figure; negative where ours is the better one.

    `interval` is where it would lie, with 95 % confidence, if the paper's figure were that of one more seed; None where
    fewer than two seeds say nothing of their spread, or a figure is infinite.
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
    paper prints one figure a cell, with no spread: it is taken for a draw from the distribution of ours.
    """
    if cell.difference is None:
        return None
    if cell.sd is None or not math.isfinite(cell.difference):
        return PaperDifference(cell.difference, None)
    half_width = two_sided_t(cell.finished) * cell.sd * math.sqrt(1 + 1 / cell.finished)
    return PaperDifference(cell.difference, (-half_width, half_width))
