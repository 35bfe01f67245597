"""Where a value lies along an axis, and which values are written there."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_TICKS, _FEWEST_TICKS = 6, 3
_LOGARITHMIC_STEPS = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 4, 6, 8))
_MARGIN = 0.04
# What spans more than this is drawn on a logarithmic scale, where a user of `Scale.of` allows it.
_LARGE_SPAN = 3.0


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`, drawn from `start` to `end` (pixels), with `ticks` between."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    @classmethod
    def of(
        cls,
        values: Iterable[float],
        start: float,
        end: float,
        *,
        integer: bool = False,
        may_be_logarithmic: bool = False,
    ) -> Scale:
        """The axis for these values, not empty and finite. A large span of positive ones may become logarithmic."""
        known = sorted(values)
        low, high = known[0], known[-1]
        if may_be_logarithmic and low > 0 and high / low > _LARGE_SPAN:
            room = (high / low) ** _MARGIN
            return cls(low / room, high * room, start, end, _logarithmic_ticks(low, high), logarithmic=True)
        room = (high - low) * _MARGIN or (0.5 if integer else max(abs(low) * 0.05, 1e-3))
        low, high = low - room, high + room
        return cls(low, high, start, end, _ticks(low, high, integer=integer))

    def position(self, value: float) -> float:
        """Pixels, to a tenth."""
        share = (self._measure(value) - self._measure(self.low)) / (self._measure(self.high) - self._measure(self.low))
        return round(self.start + share * (self.end - self.start), 1)

    def _measure(self, value: float) -> float:
        return math.log(value) if self.logarithmic else value


def _ticks(low: float, high: float, *, integer: bool) -> tuple[float, ...]:
    from matplotlib.ticker import MaxNLocator

    # More ticks than there are whole numbers would lie between these.
    fewest = 1 if integer else _FEWEST_TICKS
    locator = MaxNLocator(nbins=_TICKS, integer=integer, steps=[1, 2, 5, 10], min_n_ticks=fewest)
    found = locator.tick_values(low, high)
    return tuple(float(tick) for tick in found if low <= tick <= high)


def _logarithmic_ticks(low: float, high: float) -> tuple[float, ...]:
    """Powers of ten, and multiples of them where there are few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in _LOGARITHMIC_STEPS:
        ticks = [float(f"{step}e{decade}") for decade in decades for step in steps]
        shown = tuple(tick for tick in ticks if low <= tick <= high)
        if len(shown) >= _FEWEST_TICKS:
            break
    return shown
