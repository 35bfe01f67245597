"""How a metric is written wherever people read it: tables, progress, records, descriptions."""

from __future__ import annotations


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
