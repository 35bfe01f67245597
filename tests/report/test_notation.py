"""How figures are written."""

from __future__ import annotations

import pytest

from bansweep.report.notation import percent, percentage_points


@pytest.mark.parametrize(("value", "text"), [(17.4163, "17.42"), (0.0, "0.00"), (100.0, "100.00"), (9.5, "9.50")])
def test_percent(value: float, text: str) -> None:
    assert percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.726, "-0.73"), (0.5, "+0.50"), (0.0, "+0.00"), (-0.004, "+0.00"), (-0.006, "-0.01"), (12.0, "+12.00")],
)
def test_percentage_points_have_a_sign_and_no_negative_zero(value: float, text: str) -> None:
    assert percentage_points(value) == text
