from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bansweep.config.data import Digits
from bansweep.data.splits import split_ranges
from bansweep.errors import DataError


@given(
    training_images=st.integers(1, 40),
    test_images=st.integers(1, 40),
    limit=st.none() | st.integers(1, 50),
    validation=st.integers(0, 50),
    test_limit=st.none() | st.integers(1, 50),
)
def test_subsets_are_disjoint_and_as_large_as_asked_or_refused(
    training_images: int, test_images: int, limit: int | None, validation: int, test_limit: int | None
) -> None:
    spec = Digits(limit=limit, validation=validation, test_limit=test_limit)
    fits = (limit or 1) + validation <= training_images and (test_limit or 1) <= test_images
    if not fits:
        with pytest.raises(DataError):
            split_ranges(spec, training_images, test_images)
        return
    ranges = split_ranges(spec, training_images, test_images)
    held_out = ranges.validation or range(0)
    assert len(ranges.train) == (limit or training_images - validation)
    assert len(held_out) == validation
    assert len(ranges.test) == (test_limit or test_images)
    assert set(ranges.train).isdisjoint(held_out)
    assert set(ranges.train) | set(held_out) <= set(range(training_images))
    assert set(ranges.test) <= set(range(test_images))
    assert (ranges.validation is None) == (validation == 0)


def test_first_and_last() -> None:
    ranges = split_ranges(Digits(limit=3, validation=2, test_limit=4), 10, 8)
    assert (ranges.train, ranges.validation, ranges.test) == (range(3), range(8, 10), range(4))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (Digits(validation=10), r"validation: 10 do not fit into the 10 training images of digits"),
        (Digits(limit=11), r"limit: 11 and validation: 0 do not fit"),
        (Digits(limit=6, validation=5), r"limit: 6 and validation: 5 do not fit"),
        (Digits(test_limit=9), r"test_limit: 9 is more than the 8 test images"),
    ],
)
def test_what_does_not_fit_is_said(spec: Digits, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        split_ranges(spec, 10, 8)
    assert "data." in caught.value.remedy
