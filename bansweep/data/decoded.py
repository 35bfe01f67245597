"""A data set in memory, as every source yields it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
Tokens = NDArray[np.int32]


@dataclass(frozen=True)
class DecodedImages:
    """Images (N, height, width, channels) and labels (N,) in [0, number of classes); `source` says where from."""

    train_images_NHWC: Pixels
    train_labels_N: Labels
    test_images_NHWC: Pixels
    test_labels_N: Labels
    classes: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class CanonicalImages(DecodedImages):
    """A set in canonical order (`canonical.py`).

    `test_copies_N` (int64): for each test image the position of the first training image with the same pixels and
    label, -1 where there is none.
    """

    test_copies_N: Labels


@dataclass(frozen=True)
class DecodedText:
    """Tokens (N,) in the order of the text, positions in `vocabulary`; `source` says where from."""

    train_N: Tokens
    validation_N: Tokens
    test_N: Tokens
    vocabulary: tuple[str, ...]
    source: str
