"""The mean and spread of pixels, by which images are normalised."""

from __future__ import annotations

import numpy as np

from bansweep.data.decoded import Pixels

_CHUNK = 1000


def channel_statistics(images_NHWC: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel's pixels, scaled to [0, 1]."""
    channels = images_NHWC.shape[-1]
    # Bytes have 256 values: counts are exact, and small. Chunks, since counting makes eight bytes of each.
    counts = np.zeros((channels, 256), dtype=np.int64)
    for start in range(0, len(images_NHWC), _CHUNK):
        chunk = images_NHWC[start : start + _CHUNK]
        for channel in range(channels):
            counts[channel] += np.bincount(chunk[..., channel].ravel(), minlength=256)
    shares = counts / counts.sum(axis=1, keepdims=True)
    levels = np.arange(256) / 255
    means = shares @ levels
    deviations = np.sqrt((shares * (levels - means[:, None]) ** 2).sum(axis=1))
    # A channel of one value carries nothing; 1 keeps it finite.
    deviations[deviations == 0] = 1.0
    return tuple(means.tolist()), tuple(deviations.tolist())
