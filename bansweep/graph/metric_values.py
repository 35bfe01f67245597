"""Metric ordering: lower is better; NaN and missing values sort last."""

from __future__ import annotations

import math


def comparable(value: float | None) -> float:
    """The value as something that can be compared: infinite where it is NaN, or missing."""
    return math.inf if value is None or math.isnan(value) else value


def exceeds(value: float, bound: float) -> bool:
    """Whether a value exceeds a computed bound. A difference within rounding errors counts as equal."""
    return value > bound and not math.isclose(value, bound, rel_tol=_ROUNDING)


# An error rate is k / n images: another k changes it by far more, the rounding of a bound by far less.
_ROUNDING = 1e-12
