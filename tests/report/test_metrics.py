"""Which metric a sweep has, and how its figures are written."""

from __future__ import annotations

import dataclasses

import pytest

from bansweep.graph.plan import Plan
from bansweep.report.metrics import PERPLEXITY, TEST_ERROR, Metric, metric_of


@pytest.mark.parametrize("metric", [TEST_ERROR, PERPLEXITY])
@pytest.mark.parametrize(
    ("value", "text"), [(17.4163, "17.42"), (0.0, "0.00"), (10000.0, "10000.00"), (9.5, "9.50"), (float("inf"), "inf")]
)
def test_figures_have_two_decimals(metric: Metric, value: float, text: str) -> None:
    assert metric.text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.726, "-0.73"), (0.5, "+0.50"), (0.0, "+0.00"), (-0.004, "+0.00"), (-0.006, "-0.01"), (12.0, "+12.00")],
)
def test_differences_have_a_sign_and_no_negative_zero(value: float, text: str) -> None:
    assert PERPLEXITY.difference_text(value) == TEST_ERROR.difference_text(value) == text


def test_the_data_decide(plan: Plan, text_plan: Plan) -> None:
    assert metric_of(plan) == TEST_ERROR
    assert metric_of(text_plan) == PERPLEXITY


def test_a_mixture_has_no_metric(plan: Plan, text_plan: Plan) -> None:
    mixed = dataclasses.replace(plan, generations={**plan.generations, **text_plan.generations})
    with pytest.raises(ValueError, match="no metric in common"):
        metric_of(mixed)


def test_columns_stand_split_by_split_as_in_table_6() -> None:
    assert TEST_ERROR.columns(["teacher", "ban"]) == ("teacher", "ban")
    assert PERPLEXITY.columns(["teacher", "ban"]) == ("teacher_val", "ban_val", "teacher_test", "ban_test")
