"""Images in a folder per class: `<root>/train/<class>/*` and `<root>/test/<class>/*`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bansweep.data.decoded import DecodedImages, Labels, Pixels
from bansweep.data.source_files import LabelledFile, image_folder_files
from bansweep.data.sources.encoded import decode_image, require_same_shape, stack_images
from bansweep.data.sources.image_bytes import LARGEST_FILE_BYTES
from bansweep.errors import DataError
from bansweep.regular_file import read_regular


def decode_folder(root: Path) -> DecodedImages:
    """All images below `root`, of one size and mode; class names are the sorted folder names. Raises DataError."""
    files = image_folder_files(root)
    train_images_NHWC = stack_images(_images(files.train), len(files.train))
    test_images_NHWC = stack_images(_images(files.test), len(files.test))
    require_same_shape(train_images_NHWC, test_images_NHWC, str(files.test[0].path))
    return DecodedImages(
        train_images_NHWC=train_images_NHWC,
        train_labels_N=_labels(files.train),
        test_images_NHWC=test_images_NHWC,
        test_labels_N=_labels(files.test),
        classes=files.classes,
        source=str(root),
    )


def _images(files: tuple[LabelledFile, ...]) -> Iterator[tuple[str, Pixels]]:
    for path, _ in files:
        try:
            encoded = read_regular(path, LARGEST_FILE_BYTES)
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}", remedy="check its permissions") from None
        yield str(path), decode_image(encoded, str(path))


def _labels(files: tuple[LabelledFile, ...]) -> Labels:
    return np.array([label for _, label in files], dtype=np.int64)
