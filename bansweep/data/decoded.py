"""A decoded data set in memory, in an order that depends on its content only.

Copies of one data set differ in their order: torchvision's CIFAR-10 and the hub's parquet hold the same images. Sorting
by each image's digest makes them equal byte for byte, and makes the first N a random sample, the same everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
Tokens = NDArray[np.int32]


@dataclass(frozen=True)
class DecodedImages:
    """Images (N, height, width, channels) and labels (N,) in [0, number of classes); `source` names its origin."""

    train_images_NHWC: Pixels
    train_labels_N: Labels
    test_images_NHWC: Pixels
    test_labels_N: Labels
    classes: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class CanonicalImages(DecodedImages):
    """A set in canonical order (see `in_canonical_order`).

    `test_copies_N` (int64): for each test image the position of the first training image with the same pixels and
    label, -1 where there is none.
    """

    test_copies_N: Labels


@dataclass(frozen=True)
class DecodedText:
    """Tokens (N,) in the order of the text, positions in `vocabulary`; `source` names its origin."""

    train_N: Tokens
    validation_N: Tokens
    test_N: Tokens
    vocabulary: tuple[str, ...]
    source: str


def in_canonical_order(decoded: DecodedImages) -> CanonicalImages:
    """The set with both splits sorted by the SHA-256 of each image's label and pixels."""
    train_digests = image_digests(decoded.train_images_NHWC, decoded.train_labels_N)
    test_digests = image_digests(decoded.test_images_NHWC, decoded.test_labels_N)
    train, test = canonical_order(train_digests), canonical_order(test_digests)
    first_at = {train_digests[index]: position for position, index in reversed(list(enumerate(train)))}
    return CanonicalImages(
        train_images_NHWC=decoded.train_images_NHWC[train],
        train_labels_N=decoded.train_labels_N[train],
        test_images_NHWC=decoded.test_images_NHWC[test],
        test_labels_N=decoded.test_labels_N[test],
        classes=decoded.classes,
        source=decoded.source,
        test_copies_N=np.array([first_at.get(test_digests[index], -1) for index in test], dtype=np.int64),
    )


def image_digests(images_NHWC: Pixels, labels_N: Labels) -> list[bytes]:
    """SHA-256 of (label as 8 bytes, little-endian; pixels row by row) for each of N images."""
    return [
        hashlib.sha256(int(label).to_bytes(8, "little") + image.tobytes()).digest()
        for image, label in zip(images_NHWC, labels_N, strict=True)
    ]


def canonical_order(digests: Sequence[bytes]) -> Labels:
    """The positions of N digests, sorted by digest. Shape (N,)."""
    return np.array(sorted(range(len(digests)), key=digests.__getitem__), dtype=np.int64)


def content_fingerprint(decoded: DecodedImages) -> str:
    """SHA-256 in hexadecimal of shapes, labels and pixels of a set *in canonical order*; class names are left out."""
    digest = hashlib.sha256()
    for images_NHWC, labels_N in (
        (decoded.train_images_NHWC, decoded.train_labels_N),
        (decoded.test_images_NHWC, decoded.test_labels_N),
    ):
        digest.update(f"{images_NHWC.shape}".encode())
        digest.update(labels_N.astype("<i8").tobytes())
        digest.update(np.ascontiguousarray(images_NHWC).data)
    return digest.hexdigest()
