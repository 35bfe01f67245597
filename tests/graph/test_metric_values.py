"""How metrics are written."""

from __future__ import annotations

import pytest

from bansweep.graph.metric_values import figure_text, name_text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("test_error", 10 / 3, "3.33 %"),
        ("train_agreement", 99.999, "100.00 %"),
        ("validation_perplexity", 71.866, "71.87"),
        ("test_perplexity", float("inf"), "inf"),
        ("train_loss", 0.2158219, "0.215822"),
        ("test_loss", 0.5, "0.5"),
    ],
)
def test_units_and_digits(name: str, value: float, text: str) -> None:
    assert figure_text(name, value) == text


def test_names() -> None:
    assert name_text("test_error") == "test error"
