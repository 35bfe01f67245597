from __future__ import annotations

import numpy as np
import pytest

from bansweep.data.prepared import channel_statistics, level_counts


@pytest.mark.parametrize("images", [1, 7, 999, 1_000, 1_001, 2_000, 2_345])
def test_statistics_are_those_of_the_first_pixels(images: int) -> None:
    images_NHWK = np.random.default_rng(0).integers(0, 256, (2_345, 5, 4, 3), dtype=np.uint8)
    images_NHWK[..., 2] = 51
    used_NHWK = images_NHWK[:images]
    mean, std = channel_statistics(level_counts(images_NHWK), used_NHWK)
    assert mean == pytest.approx((used_NHWK / 255).mean((0, 1, 2)))
    assert std[:2] == pytest.approx((used_NHWK / 255).std((0, 1, 2))[:2])
    assert mean[2] == pytest.approx(0.2)
    assert std[2] == 1.0


def test_all_pixels_are_counted() -> None:
    images_NHWK = np.random.default_rng(0).integers(0, 256, (1_500, 2, 3, 1), dtype=np.uint8)
    counts_PKL = level_counts(images_NHWK)
    assert counts_PKL.shape == (2, 1, 256)
    assert counts_PKL.sum(axis=(1, 2)).tolist() == [6_000, 9_000]
