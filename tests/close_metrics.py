"""Comparing what two trainings learned that differ by rounding only, on any CPU."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest

# Percentages of images that are counted one by one. Rounding moves an image whose two likeliest classes are nearly
# equally probable from one side to the other, so that a count has no bound that follows from a loss's.
_COUNTS = ("_error", "_agreement")
_IMAGES_PERCENT = 3.0


def assert_close_metrics(
    found: Mapping[str, float],
    expected: Mapping[str, float],
    *,
    relative: float | None = None,
    absolute: float | None = None,
) -> None:
    """Continuous metrics agree within `relative` or `absolute`, as in `pytest.approx`; counts within a few images."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if name.endswith(_COUNTS):
            assert abs(found[name] - value) <= _IMAGES_PERCENT, name
        else:
            assert found[name] == pytest.approx(value, rel=relative, abs=absolute), name


def images_within_rounding(probabilities_NC: npt.NDArray[np.float32], error: float) -> int:
    """How many of N images can change their likeliest class when no probability moves by more than `error`."""
    likeliest_NC = np.sort(probabilities_NC, axis=1)
    return int((likeliest_NC[:, -1] - likeliest_NC[:, -2] <= 2 * error).sum())
