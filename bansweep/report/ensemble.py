"""Ensembles from stored predictions (Eq. 4): images by mean probabilities, texts token by token."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from bansweep.errors import StoreError
from bansweep.store.parquet_tables import Predictions, TokenPredictions

LogProbabilities = npt.NDArray[np.float64]


def ensemble_error(members: Iterable[tuple[str, Predictions]]) -> float:
    """The test error, in percent, of the mean of the members' probabilities (Eq. 4).

    `members` are pairs of generation id and predictions, at least one; each is read and dropped in turn. Raises
    StoreError for members that predict different images, in number, order or classes.
    """
    mean_NC, labels_N = mean_probabilities(members)
    return error_percent(mean_NC, labels_N)


def mean_probabilities(
    members: Iterable[tuple[str, Predictions]],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """The mean of the members' probabilities (N, C), and the labels (N,) that they share. See `ensemble_error`."""
    remaining = iter(members)
    first_id, first = next(remaining)
    labels_N = first.labels_N
    # Stored as float32, summed as float64: the order of the members must not decide a close argmax.
    sum_NC = first.probabilities_NC.astype(np.float64)
    count = 1
    for member_id, member in remaining:
        _require_same_images(first_id, labels_N, sum_NC.shape[1], member_id, member)
        sum_NC += member.probabilities_NC
        count += 1
    return sum_NC / count, labels_N


def error_percent(probabilities_NC: npt.NDArray[np.floating], labels_N: npt.NDArray[np.int64]) -> float:
    """The share of images, in percent, whose most probable class is not their label."""
    return 100.0 * float(np.mean(probabilities_NC.argmax(axis=1) != labels_N))


def _require_same_images(
    first_id: str, labels_N: npt.NDArray[np.int64], classes: int, member_id: str, member: Predictions
) -> None:
    # A plan's members share a data set by construction, but files in the store may have been replaced.
    shape, other_shape = (len(labels_N), classes), member.probabilities_NC.shape
    if shape != other_shape:
        difference = f"{shape[0]} images in {shape[1]} classes against {other_shape[0]} in {other_shape[1]}"
    elif not np.array_equal(labels_N, member.labels_N):
        difference = f"{np.count_nonzero(labels_N != member.labels_N)} of {len(labels_N)} labels differ"
    else:
        return
    raise StoreError(
        f"generations {first_id} and {member_id} predict different test images, so they form no ensemble: {difference}",
        remedy="move the one trained on other data out of the store's generations/; the next run trains it again",
    )


def ensemble_perplexities(members: Iterable[tuple[str, TokenPredictions]]) -> tuple[float, float]:
    """The validation and the test perplexity of the mean of the members' probabilities (Eq. 4).

    `members` are pairs of generation id and predictions, at least one; each is read and dropped in turn. Raises
    StoreError for members that predict texts of different lengths.
    """
    remaining = iter(members)
    first_id, first = next(remaining)
    # Stored as float32, summed as float64: rounding must not accumulate over a hundred thousand tokens.
    validation_N, test_N = first.validation_N.astype(np.float64), first.test_N.astype(np.float64)
    count = 1
    for member_id, member in remaining:
        _require_same_lengths(first_id, (len(validation_N), len(test_N)), member_id, member)
        # Probabilities are summed as logarithms: those of unlikely tokens would be lost in rounding.
        validation_N, test_N = np.logaddexp(validation_N, member.validation_N), np.logaddexp(test_N, member.test_N)
        count += 1
    return perplexity(validation_N - math.log(count)), perplexity(test_N - math.log(count))


def perplexity(log_probabilities_N: LogProbabilities) -> float:
    """exp of the mean negative log-probability (nats) of N tokens; infinite where a token had probability 0."""
    with np.errstate(over="ignore"):
        return float(np.exp(-log_probabilities_N.mean()))


def _require_same_lengths(first_id: str, lengths: tuple[int, int], member_id: str, member: TokenPredictions) -> None:
    # A plan's members share a data set by construction, but files in the store may have been replaced.
    other_lengths = len(member.validation_N), len(member.test_N)
    if lengths != other_lengths:
        raise StoreError(
            f"generations {first_id} and {member_id} predict different texts, so they form no ensemble: {lengths[0]} "
            f"validation and {lengths[1]} test tokens against {other_lengths[0]} and {other_lengths[1]}",
            remedy="move the one trained on other data out of the store's generations/; the next run trains it again",
        )
