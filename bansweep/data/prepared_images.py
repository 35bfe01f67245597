"""A prepared image set: pixels and labels of both splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bansweep.data.channel_statistics import channel_statistics
from bansweep.data.decoded import DecodedImages
from bansweep.data.prepared import FORMAT_VERSION, PreparedSet, check_files, read_description
from bansweep.data.saving import save_array, save_description

FILES = ("train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy")


class PreparedImages(PreparedSet):
    """`image_shape` is (height, width, channels); `mean` and `std` are those of the channels of all training pixels,
    in [0, 1].
    """

    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    training_images: int
    test_images: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


def read_prepared_images(folder: Path) -> PreparedImages:
    """The description of a prepared image set. Raises DataError where it is missing or damaged."""
    return read_description(folder, PreparedImages)


def check_prepared_images(folder: Path, fingerprint: str, *, digests: bool = False) -> None:
    """Raises DataError where something in `folder` is missing, damaged or of another set (see `check_files`)."""
    check_files(folder, read_prepared_images(folder), FILES, fingerprint, digests=digests)


def write_images(folder: Path, decoded: DecodedImages, kind: str, fingerprint: str) -> None:
    """Write the arrays and their description into `folder`. Raises OSError."""
    arrays: tuple[NDArray[Any], ...] = (
        decoded.train_images_NHWC,
        decoded.train_labels_N,
        decoded.test_images_NHWC,
        decoded.test_labels_N,
    )
    files = {name: save_array(folder / name, array) for name, array in zip(FILES, arrays, strict=True)}
    mean, std = channel_statistics(decoded.train_images_NHWC)
    height, width, channels = decoded.train_images_NHWC.shape[1:]
    meta = PreparedImages(
        version=FORMAT_VERSION,
        kind=kind,
        fingerprint=fingerprint,
        source=decoded.source,
        classes=decoded.classes,
        image_shape=(height, width, channels),
        training_images=len(decoded.train_labels_N),
        test_images=len(decoded.test_labels_N),
        mean=mean,
        std=std,
        files=files,
    )
    save_description(folder, meta)
