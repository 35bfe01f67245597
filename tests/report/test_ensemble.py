"""Ensembles against values worked out by hand, and against what must hold for any predictions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bansweep.errors import StoreError
from bansweep.report.ensemble import ensemble_error, error_percent, mean_probabilities
from bansweep.store.parquet_tables import Predictions


def predicted(rows: list[list[float]], labels: list[int]) -> Predictions:
    return Predictions(np.array(rows, dtype=np.float32), np.array(labels, dtype=np.int64))


A = predicted([[0.5, 0.25, 0.25], [0.0, 0.75, 0.25], [0.5, 0.0, 0.5], [1.0, 0.0, 0.0]], [0, 1, 2, 1])
B = predicted([[0.25, 0.5, 0.25], [0.5, 0.25, 0.25], [0.0, 0.25, 0.75], [0.25, 0.5, 0.25]], [0, 1, 2, 1])


def test_mean_of_two_members_by_hand() -> None:
    mean_NC, labels_N = mean_probabilities([("a", A), ("b", B)])
    np.testing.assert_array_equal(
        mean_NC, [[0.375, 0.375, 0.25], [0.25, 0.5, 0.25], [0.25, 0.125, 0.625], [0.625, 0.25, 0.125]]
    )
    assert mean_NC.dtype == np.float64
    np.testing.assert_array_equal(labels_N, [0, 1, 2, 1])


def test_error_by_hand() -> None:
    # a takes class 0 at the last two images (a tie goes to the lower class), b errs at the first two; together they
    # err at the last one alone.
    assert ensemble_error([("a", A)]) == 50.0
    assert ensemble_error([("b", B)]) == 50.0
    assert ensemble_error([("a", A), ("b", B)]) == 25.0


def test_averages_probabilities_and_not_votes() -> None:
    sure = predicted([[0.0, 1.0]], [1])
    doubtful = predicted([[0.625, 0.375]], [1])
    assert ensemble_error([("1", doubtful), ("2", doubtful), ("3", sure)]) == 0.0


def test_sums_in_float64() -> None:
    # In float32 the small term is lost (2**-25 beside 0.5), and with it the right class.
    half = predicted([[0.5, 0.5]], [1])
    small = predicted([[0.0, 2.0**-25]], [1])
    assert np.float32(0.5) + np.float32(2.0**-25) == np.float32(0.5)
    assert ensemble_error([("half", half), ("small", small)]) == 0.0


def test_leaves_the_members_alone() -> None:
    before = A.probabilities_NC.copy()
    mean_probabilities([("a", A), ("b", B)])
    np.testing.assert_array_equal(A.probabilities_NC, before)


@st.composite
def predictions(draw: st.DrawFn) -> Predictions:
    images, classes = draw(st.integers(1, 20)), draw(st.integers(2, 6))
    probability = st.floats(0, 1, width=32)
    return Predictions(
        draw(arrays(np.float32, (images, classes), elements=probability)),
        draw(arrays(np.int64, images, elements=st.integers(0, classes - 1))),
    )


@given(predictions(), st.integers(1, 7))
def test_identical_members_are_the_member(member: Predictions, count: int) -> None:
    mean_NC, _ = mean_probabilities([(str(index), member) for index in range(count)])
    np.testing.assert_array_equal(mean_NC, member.probabilities_NC.astype(np.float64))
    assert ensemble_error([("m", member)] * count) == error_percent(member.probabilities_NC, member.labels_N)


@given(predictions())
def test_error_counts_wrong_images(member: Predictions) -> None:
    wrong = sum(
        max(range(len(row)), key=lambda c: row[c]) != label
        for row, label in zip(member.probabilities_NC.tolist(), member.labels_N.tolist(), strict=True)
    )
    assert error_percent(member.probabilities_NC, member.labels_N) == pytest.approx(100 * wrong / len(member.labels_N))


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (predicted(B.probabilities_NC.tolist(), [0, 2, 1, 1]), "2 of 4 labels differ"),
        (predicted(B.probabilities_NC.tolist()[:3], [0, 1, 2]), "4 images in 3 classes against 3 in 3"),
        (predicted(B.probabilities_NC[:, :2].tolist(), [0, 1, 2, 1]), "4 images in 3 classes against 4 in 2"),
    ],
)
def test_members_of_different_data_are_refused(other: Predictions, difference: str) -> None:
    with pytest.raises(StoreError) as caught:
        ensemble_error([("aaaa", A), ("bbbb", other)])
    assert difference in caught.value.cause
    assert "aaaa" in caught.value.cause
    assert "bbbb" in caught.value.cause
    assert "the next run trains it again" in caught.value.remedy
