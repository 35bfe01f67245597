"""The mean and spread of pixels, by which images are normalised.

Bytes have 256 values: how often each occurs is exact, small, and adds up. So counts of the training set are kept, for
any number of images from its first one on; reading all pixels again would take most of the time to a first batch.

Shape suffixes: N images, H W pixels, K channels, P portions of the set, L the 256 levels of a byte.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bansweep.data.decoded import Pixels

PORTION = 1000
"""Images of a portion; the last one may have fewer."""

Counts = NDArray[np.int64]
Statistics = tuple[tuple[float, ...], tuple[float, ...]]


def level_counts(images_NHWK: Pixels) -> Counts:
    """How often each level occurs in each channel: (P, K, L), of the first portion, the first two, and so on to all."""
    starts = range(0, len(images_NHWK), PORTION)
    return np.stack([_counts(images_NHWK[start : start + PORTION]) for start in starts]).cumsum(axis=0)


def channel_statistics(counts_PKL: Counts, images_NHWK: Pixels) -> Statistics:
    """Mean and standard deviation of each channel's pixels, scaled to [0, 1].

    `images_NHWK` are the first of the set that was counted.
    """
    portions, rest = divmod(len(images_NHWK), PORTION)
    counts_KL = _counts(images_NHWK[portions * PORTION :]) if rest else np.zeros_like(counts_PKL[0])
    if portions:
        counts_KL = counts_KL + counts_PKL[portions - 1]
    shares_KL = counts_KL / counts_KL.sum(axis=1, keepdims=True)
    levels_L = np.arange(256) / 255
    means_K = shares_KL @ levels_L
    deviations_K = np.sqrt((shares_KL * (levels_L - means_K[:, None]) ** 2).sum(axis=1))
    # A channel of one value carries nothing; 1 keeps it finite.
    deviations_K[deviations_K == 0] = 1.0
    return tuple(means_K.tolist()), tuple(deviations_K.tolist())


def _counts(images_NHWK: Pixels) -> Counts:
    channels = range(images_NHWK.shape[-1])
    return np.stack([np.bincount(images_NHWK[..., channel].ravel(), minlength=256) for channel in channels])
