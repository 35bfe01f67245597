"""Perplexities of ensembles against values worked out by hand, and against what must hold for any predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bansweep.errors import StoreError
from bansweep.report.ensemble import ensemble_perplexities, perplexity
from bansweep.store.parquet_tables import TokenPredictions

LogProbabilities = st.lists(st.floats(-50, 0, width=32), min_size=1, max_size=30)


def of_logarithms(validation: Sequence[float], test: Sequence[float]) -> TokenPredictions:
    return TokenPredictions(np.array(validation, dtype=np.float32), np.array(test, dtype=np.float32))


def of_probabilities(validation: Sequence[float], test: Sequence[float]) -> TokenPredictions:
    return of_logarithms([math.log(p) for p in validation], [math.log(p) for p in test])


A = of_probabilities([1 / 2, 1 / 8], [1 / 4])
B = of_probabilities([1 / 4, 5 / 8], [3 / 4])


def test_two_members_by_hand() -> None:
    # The means are 3/8 and 3/8, so that a token costs as much as a choice among 8/3; and 1/2 in the test text.
    assert ensemble_perplexities([("a", A), ("b", B)]) == pytest.approx((8 / 3, 2.0), rel=1e-7)


def test_three_members_count_alike() -> None:
    # In the test text (1/4 + 3/4 + 1/4) / 3 = 5/12; in the validation text (5/4) / 3 and (7/8) / 3.
    expected = ((5 / 12 * 7 / 24) ** -0.5, 12 / 5)
    assert ensemble_perplexities([("a", A), ("b", B), ("a2", A)]) == pytest.approx(expected, rel=1e-7)


def test_a_single_member_has_its_own_perplexity() -> None:
    assert ensemble_perplexities([("a", A)]) == pytest.approx((4.0, 4.0), rel=1e-7)


@given(LogProbabilities, LogProbabilities, st.integers(1, 6))
def test_identical_members_are_the_member(validation: list[float], test: list[float], count: int) -> None:
    member = of_logarithms(validation, test)
    own = [math.exp(-math.fsum(part) / len(part)) for part in (validation, test)]
    assert ensemble_perplexities([("m", member)] * count) == pytest.approx(own, rel=1e-9)


@given(st.lists(st.tuples(st.floats(-50, 0, width=32), st.floats(-50, 0, width=32)), min_size=1, max_size=30))
def test_never_worse_than_the_geometric_mean_of_its_members(pairs: list[tuple[float, float]]) -> None:
    """The logarithm is concave (Jensen)."""
    a, b = (of_logarithms(part, part) for part in zip(*pairs, strict=True))
    (of_a, _), (of_b, _) = (ensemble_perplexities([("m", member)]) for member in (a, b))
    together, _ = ensemble_perplexities([("a", a), ("b", b)])
    assert together <= math.sqrt(of_a) * math.sqrt(of_b) * (1 + 1e-9)


def test_sums_in_float64() -> None:
    tokens = np.linspace(-9, -1, 100_003, dtype=np.float32)
    exact = math.exp(-math.fsum(tokens.tolist()) / len(tokens))
    assert ensemble_perplexities([("m", TokenPredictions(tokens, tokens))])[0] == pytest.approx(exact, rel=1e-13)


def test_tokens_of_hardly_any_probability_are_not_lost() -> None:
    # exp(-2000) is zero in float64. The mean of p and p / 3 is 2/3 of p.
    a = of_logarithms([-2000.0] + [0.0] * 9, [0.0])
    b = of_logarithms([-2000.0 - math.log(3)] + [0.0] * 9, [0.0])
    expected = math.exp((2000 - math.log(2 / 3)) / 10)
    assert ensemble_perplexities([("a", a), ("b", b)])[0] == pytest.approx(expected, rel=1e-5)


def test_an_impossible_token_costs_everything_unless_a_member_thought_of_it() -> None:
    impossible = of_logarithms([-math.inf], [-math.inf])
    known = of_probabilities([1 / 2], [1 / 2])
    assert ensemble_perplexities([("a", impossible), ("b", impossible)]) == (math.inf, math.inf)
    assert ensemble_perplexities([("a", impossible), ("b", known)]) == pytest.approx((4.0, 4.0))


def test_an_overflow_is_infinite() -> None:
    assert perplexity(np.array([-1000.0])) == math.inf


def test_leaves_the_members_alone() -> None:
    before = A.validation_N.copy()
    ensemble_perplexities([("a", A), ("b", B)])
    np.testing.assert_array_equal(A.validation_N, before)


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (of_probabilities([1 / 2], [1 / 2]), "2 validation and 1 test tokens against 1 and 1"),
        (of_probabilities([1 / 2, 1 / 2], [1 / 2, 1 / 2]), "2 validation and 1 test tokens against 2 and 2"),
    ],
)
def test_members_of_different_texts_are_refused(other: TokenPredictions, difference: str) -> None:
    with pytest.raises(StoreError) as caught:
        ensemble_perplexities([("aaaa", A), ("bbbb", other)])
    assert difference in caught.value.cause
    assert "aaaa" in caught.value.cause
    assert "bbbb" in caught.value.cause
    assert "the next run trains it again" in caught.value.remedy
