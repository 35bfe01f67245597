"""A prepared image set: pixels and labels of both splits, and what was computed from them once.

That is how often each level occurs among the training pixels, and which test images are copies of training images.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bansweep.data.cache import PREPARED_VERSION
from bansweep.data.channel_statistics import level_counts
from bansweep.data.decoded import CanonicalImages
from bansweep.data.descriptions import PreparedImages, read_description
from bansweep.data.prepared import check_files
from bansweep.data.saving import save_array, save_description

FILES = ("train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy", "train_counts.npy")
COPIES = "test_copies.npy"


def check_prepared_images(folder: Path, fingerprint: str, *, digests: bool = False) -> None:
    """Raises DataError where something in `folder` is missing, damaged or of another set (see `check_files`)."""
    check_files(folder, read_description(folder, PreparedImages), (*FILES, COPIES), fingerprint, digests=digests)


def write_images(folder: Path, decoded: CanonicalImages, kind: str, fingerprint: str) -> None:
    """Write the arrays and their description into `folder`. Raises OSError."""
    arrays: tuple[NDArray[Any], ...] = (
        decoded.train_images_NHWC,
        decoded.train_labels_N,
        decoded.test_images_NHWC,
        decoded.test_labels_N,
        level_counts(decoded.train_images_NHWC),
    )
    files = {name: save_array(folder / name, array) for name, array in zip(FILES, arrays, strict=True)}
    files[COPIES] = save_array(folder / COPIES, decoded.test_copies_N)
    height, width, channels = decoded.train_images_NHWC.shape[1:]
    meta = PreparedImages(
        version=PREPARED_VERSION,
        kind=kind,
        fingerprint=fingerprint,
        source=decoded.source,
        classes=decoded.classes,
        image_shape=(height, width, channels),
        training_images=len(decoded.train_labels_N),
        test_images=len(decoded.test_labels_N),
        files=files,
    )
    save_description(folder, meta)
