"""Which images or tokens a sweep trains on, validates on and tests on, by position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from bansweep.config.data import ImageDataSpec, TextSpec
from bansweep.errors import DataError


class TokenCounts(NamedTuple):
    """Tokens of each split: words, and one `<eos>` for every line."""

    training: int
    validation: int
    test: int


def tokens_used(spec: TextSpec, whole: TokenCounts) -> TokenCounts:
    """The tokens that `spec` takes of a text that has `whole`. Raises DataError where it has fewer."""
    return TokenCounts(
        _first(spec.limit, whole.training, "limit", f"training tokens of {spec.kind}"),
        _first(spec.test_limit, whole.validation, "test_limit", f"validation tokens of {spec.kind}"),
        _first(spec.test_limit, whole.test, "test_limit", f"test tokens of {spec.kind}"),
    )


def _first(limit: int | None, tokens: int, key: str, what: str) -> int:
    if limit is not None and limit > tokens:
        raise DataError(
            f"{key}: {limit:,} is more than the {tokens:,} {what}",
            remedy=f"lower data.{key}, or leave it out to use all of them",
        )
    return tokens if limit is None else limit


@dataclass(frozen=True)
class SplitRanges:
    """`train` and `validation` are ranges of the training set and never overlap; `test` is one of the test set."""

    train: range
    validation: range | None
    test: range


def split_ranges(spec: ImageDataSpec, training_images: int, test_images: int) -> SplitRanges:
    """The first `limit` training images, the last `validation` of them, and the first `test_limit` test images.

    Raises DataError where the set has too few images for what `spec` asks.
    """
    largest_train = training_images - spec.validation
    train = largest_train if spec.limit is None else spec.limit
    if train > largest_train or train < 1:
        wanted = f"limit: {train:,} and " if spec.limit is not None else ""
        raise DataError(
            f"{wanted}validation: {spec.validation:,} do not fit into the {training_images:,} training images of "
            f"{spec.kind}",
            remedy="lower data.validation or data.limit: an image is either trained on or validated on",
        )
    test = test_images if spec.test_limit is None else spec.test_limit
    if test > test_images:
        raise DataError(
            f"test_limit: {test:,} is more than the {test_images:,} test images of {spec.kind}",
            remedy="lower data.test_limit, or leave it out to test on all of them",
        )
    validation = range(training_images - spec.validation, training_images) if spec.validation else None
    return SplitRanges(range(train), validation, range(test))
