"""How durations, sizes, settings and metrics read in all output for people.

Identities (networks' names, labels, MLflow's parameters) and documents for programs hold values in full instead.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal

_MOST_FIGURES = 6  # longer numbers, of up to 17 figures, were drawn by searches
_FIGURES_OF_LONG_NUMBERS = 4


def duration_text(seconds: float) -> str:
    """`4.4 s`, `42 s`, `1 min 15 s`, `12 min`, `2 h 05 min`, `54,900 h`: two or three figures.

    The hour is the largest unit, as in budgets.
    """
    if seconds < 9.95 or not math.isfinite(seconds):
        return f"{_amount(seconds)} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return _in_two_units(whole, "min", "s")
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 600:
        return _in_two_units(minutes, "h", "min")
    hours = round(seconds / 3600)
    return f"{round(hours, min(0, 3 - len(str(hours)))):,} h"


def size_text(size: float) -> str:
    """A number of bytes: `37 B`, `1.3 MB`, `350 MB`, `3 GB`, `1,204 TB`."""
    units = ["TB", "GB", "MB", "kB", "B"]
    while size >= 999.5 and len(units) > 1:
        size /= 1000
        units.pop()
    return f"{_amount(size)} {units[-1]}"


def setting_text(value: object) -> str:
    """A setting as in a sweep file: `0.1`, `0.0001`, `300`, `true`, `[1, 2]`.

    Numbers with more than six figures, which searches draw, are rounded to four.
    """
    return value if isinstance(value, str) else _json_text(value)


def settings_text(setting: Mapping[str, object]) -> str:
    """`learning_rate 0.0312, weight_decay 0`: hyperparameters without the names of the parts that they belong to."""
    return ", ".join(f"{key.partition('.')[2]} {setting_text(value)}" for key, value in setting.items())


def figure_text(name: str, value: float) -> str:
    """A metric: `4.72 %`, `71.87`, `0.215822`. Errors and perplexities have two decimals, as in papers, others six
    figures.

    `name` is a record's or a history's, such as `test_error`, `validation_perplexity`, `train_loss`.
    """
    return f"{value:{_form(name)}} %" if _is_percentage(name) else f"{value:{_form(name)}}"


def figure_difference_text(name: str, value: float) -> str:
    """The difference of two figures of a metric, always with a sign, without a unit: `-0.73`, `+0.00`."""
    # Round first, then add zero, which drops the sign of -0.0: `-0.00` would read as a gain.
    rounded = float(f"{value:{_form(name)}}") + 0.0
    return f"{rounded:+{_form(name)}}"


def named_figure_text(name: str, value: float) -> str:
    """`test error 4.72 %`."""
    return f"{name_text(name)} {figure_text(name, value)}"


def name_text(name: str) -> str:
    """`test error`."""
    return name.replace("_", " ")


def _is_percentage(name: str) -> bool:
    return name.endswith(("_error", "_agreement"))


def _form(name: str) -> str:
    return ".2f" if _is_percentage(name) or name.endswith("perplexity") else ".6g"


def _amount(amount: float) -> str:
    """Two figures, or all before the decimal point; `0` below 0.0005."""
    if amount < 0.0005:
        return "0"
    return f"{amount:,.0f}" if 9.95 <= amount < math.inf else f"{amount:.2g}"


def _in_two_units(amount: int, unit: str, part: str) -> str:
    whole, parts = divmod(amount, 60)
    return f"{whole} {unit} {parts:02d} {part}" if parts else f"{whole} {unit}"


def _json_text(value: object) -> str:
    match value:
        case float():
            return _number_text(value)
        case list() | tuple():
            return f"[{', '.join(map(_json_text, value))}]"
        case Mapping():
            return f"{{{', '.join(f'{_json_text(key)}: {_json_text(one)}' for key, one in value.items())}}}"
        case _:
            return json.dumps(value, ensure_ascii=False, default=str)


def _number_text(value: float) -> str:
    exact = repr(value).removesuffix(".0")
    figures = len(Decimal(exact).normalize().as_tuple().digits)
    return exact if figures <= _MOST_FIGURES else f"{value:.{_FIGURES_OF_LONG_NUMBERS}g}"
