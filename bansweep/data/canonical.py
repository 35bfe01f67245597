"""An order of images that depends on nothing but the images, and the fingerprint of a set in that order.

Files of one data set differ in their order: torchvision's CIFAR-10 and the hub's parquet hold the same images. Sorted
by a digest of each, they become equal byte for byte, and the first N are a random sample, the same everywhere.
"""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from bansweep.data.decoded import DecodedImages, Labels, Pixels


def in_canonical_order(decoded: DecodedImages) -> DecodedImages:
    """The set with both splits sorted by the SHA-256 of each image's label and pixels."""
    train = canonical_order(decoded.train_images_NHWC, decoded.train_labels_N)
    test = canonical_order(decoded.test_images_NHWC, decoded.test_labels_N)
    return dataclasses.replace(
        decoded,
        train_images_NHWC=decoded.train_images_NHWC[train],
        train_labels_N=decoded.train_labels_N[train],
        test_images_NHWC=decoded.test_images_NHWC[test],
        test_labels_N=decoded.test_labels_N[test],
    )


def canonical_order(images_NHWC: Pixels, labels_N: Labels) -> Labels:
    """Positions sorted by SHA-256 of (label as 8 bytes, little-endian; pixels row by row). Shape (N,)."""
    digests = [
        hashlib.sha256(int(label).to_bytes(8, "little") + image.tobytes()).digest()
        for image, label in zip(images_NHWC, labels_N, strict=True)
    ]
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
