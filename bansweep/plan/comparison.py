"""By what is preferred: of any metric lower is better, and what is no number is worst."""

from __future__ import annotations

import math


def comparable(value: float | None) -> float:
    """The value as something that can be compared: infinite where it is NaN, or missing."""
    return math.inf if value is None or math.isnan(value) else value
