"""Values of metrics: how they compare, and how people read them."""

from __future__ import annotations

import math


def figure_text(name: str, value: float) -> str:
    """`4.72 %`, `71.87`, `0.215822`: errors and perplexities to the two decimals that papers print, others to six
    digits in all.

    `name` is a record's or a history's, such as `test_error`, `validation_perplexity`, `train_loss`.
    """
    if name.endswith(("_error", "_agreement")):
        return f"{value:.2f} %"
    return f"{value:.2f}" if name.endswith("_perplexity") else f"{value:.6g}"


def name_text(name: str) -> str:
    """`test error`."""
    return name.replace("_", " ")


def comparable(value: float | None) -> float:
    """The value as something that can be compared: infinite where it is NaN, or missing."""
    return math.inf if value is None or math.isnan(value) else value


def exceeds(value: float, bound: float) -> bool:
    """Whether a value exceeds a computed bound. A difference within rounding errors counts as equal."""
    return value > bound and not math.isclose(value, bound, rel_tol=_ROUNDING)


# An error rate is k / n images: another k changes it by far more, the rounding of a bound by far less.
_ROUNDING = 1e-12
