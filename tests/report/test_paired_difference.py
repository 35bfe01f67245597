"""Paired t-intervals against a printed quantile, scipy's own paired test, and what holds for any of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from bansweep.report.paired_differences import PairedDifference, paired_difference

# Test errors have two decimals, as a test set of 10,000 images gives them; in hundredths they are exact.
hundredths = st.integers(0, 10_000)
pairs = st.lists(st.tuples(hundredths, hundredths), min_size=2, max_size=12)


def difference_of(figures: list[tuple[int, int]], shift: float = 0.0) -> PairedDifference:
    return paired_difference([own / 100 + shift for own, _ in figures], [other / 100 + shift for _, other in figures])


def ends(difference: PairedDifference) -> tuple[float, float]:
    assert difference.interval is not None
    return difference.interval


def test_three_seeds_by_hand() -> None:
    difference = paired_difference((17.0, 17.1, 16.3), (18.0, 17.5, 17.0))
    assert difference.values == pytest.approx((-1.0, -0.4, -0.7))
    assert (difference.n, difference.mean, difference.sd) == (3, pytest.approx(-0.7), pytest.approx(0.3))
    # t(0.975; 2) = 4.302653, from printed tables.
    half_width = 4.302653 * 0.3 / math.sqrt(3)
    assert ends(difference) == pytest.approx((-0.7 - half_width, -0.7 + half_width), abs=1e-6)
    assert difference.within_noise is True


def test_two_seeds_by_hand() -> None:
    # t(0.975; 1) = 12.7062 is the tangent of 0.475 pi. The differences -3 and -5 deviate by sqrt(2).
    difference = paired_difference((1.0, 2.0), (4.0, 7.0))
    half_width = math.tan(0.475 * math.pi) * math.sqrt(2) / math.sqrt(2)
    assert ends(difference) == pytest.approx((-4 - half_width, -4 + half_width))
    assert difference.within_noise is True


def test_a_difference_beyond_the_noise() -> None:
    difference = paired_difference((10.0, 11.0, 12.0), (12.0, 13.0, 14.25))
    assert difference.within_noise is False
    assert ends(difference)[1] < 0


def test_one_seed_has_no_interval() -> None:
    difference = paired_difference((None, 3.0, 4.0), (1.0, 5.0, None))
    assert difference.values == (None, -2.0, None)
    assert (difference.n, difference.mean, difference.sd) == (1, -2.0, None)
    assert (difference.interval, difference.within_noise) == (None, None)


def test_no_seed_has_nothing() -> None:
    difference = paired_difference((None, 3.0), (1.0, None))
    assert (difference.n, difference.mean, difference.sd) == (0, None, None)
    assert (difference.interval, difference.within_noise) == (None, None)


@pytest.mark.parametrize(("figures", "mean", "within"), [((2.0, 3.0), 1.0, False), ((1.0, 2.0), 0.0, True)])
def test_equal_differences_have_an_interval_of_no_width(
    figures: tuple[float, float], mean: float, within: bool
) -> None:
    difference = paired_difference(figures, (1.0, 2.0))
    assert ends(difference) == (mean, mean)
    assert difference.within_noise is within


def test_infinite_figures_have_no_interval() -> None:
    one_infinite = paired_difference((math.inf, 4.0), (5.0, 5.0))
    assert (one_infinite.n, one_infinite.mean, one_infinite.sd, one_infinite.interval) == (2, math.inf, None, None)
    of_both_signs = paired_difference((math.inf, 4.0), (5.0, math.inf))
    assert of_both_signs.mean is not None
    assert math.isnan(of_both_signs.mean)
    assert of_both_signs.within_noise is None


def test_columns_of_different_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_difference((1.0, 2.0), (1.0,))


@given(pairs)
def test_the_interval_is_scipys(figures: list[tuple[int, int]]) -> None:
    differences = [own - other for own, other in figures]
    assume(len(set(differences)) > 1)  # of equal ones scipy makes nan
    result = ttest_rel([own / 100 for own, _ in figures], [other / 100 for _, other in figures])
    expected = result.confidence_interval(0.95)
    difference = difference_of(figures)
    assert ends(difference) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-6)
    # The interval leaves 0 out just where the paired test rejects.
    if abs(result.pvalue - 0.05) > 1e-6:
        assert difference.within_noise is bool(result.pvalue > 0.05)


@given(pairs)
def test_the_interval_is_symmetric_and_decides_what_is_noise(figures: list[tuple[int, int]]) -> None:
    difference = difference_of(figures)
    low, high = ends(difference)
    assert (low + high) / 2 == pytest.approx(difference.mean, abs=1e-9)
    assert low <= high
    assert difference.within_noise is (low <= 0 <= high)


@given(pairs, st.floats(-100, 100))
def test_what_both_columns_have_in_common_cancels(figures: list[tuple[int, int]], shift: float) -> None:
    assert ends(difference_of(figures, shift)) == pytest.approx(ends(difference_of(figures)), abs=1e-6)


@given(pairs)
def test_the_other_way_round_it_is_mirrored(figures: list[tuple[int, int]]) -> None:
    low, high = ends(difference_of(figures))
    assert ends(difference_of([(other, own) for own, other in figures])) == pytest.approx((-high, -low), abs=1e-9)


@given(pairs)
def test_the_same_figures_of_more_seeds_say_more(figures: list[tuple[int, int]]) -> None:
    assume(len({own - other for own, other in figures}) > 1)
    few, many = ends(difference_of(figures)), ends(difference_of(figures * 2))
    assert many[1] - many[0] < few[1] - few[0]
