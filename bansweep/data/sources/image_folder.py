"""Images in a folder per class, and decoding encoded images (PNG, JPEG, WebP, ...) to one array."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from bansweep.data.decoded import DecodedImages, Labels, Pixels
from bansweep.data.source_files import LabelledFile, image_folder_files
from bansweep.data.sources.image_bytes import FORMATS, LARGEST_FILE_BYTES, is_lfs_pointer, opened_image, orientation
from bansweep.errors import DataError
from bansweep.formatting import size_text
from bansweep.regular_file import read_regular

MODES = {"RGB": 3, "L": 1}
# What Pillow raises for damaged files, found by flipping and cutting bytes of valid ones.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
# By EXIF orientation. Pillow's `exif_transpose` also writes the metadata back, which fails where they are damaged.
_UPRIGHT_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


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


def decode_image(encoded: bytes, place: str) -> Pixels:
    """One RGB or grey image, (height, width, channels), turned as its EXIF orientation says.

    `place` (file, row) names it in messages. Raises DataError.
    """
    if is_lfs_pointer(encoded):
        raise DataError(f"{place} is a Git LFS pointer, not the image", remedy="run `git lfs pull` in its repository")
    try:
        with opened_image(encoded) as image:
            if image.mode not in MODES:
                raise DataError(
                    f"{place}: the image's mode is {image.mode}",
                    remedy="convert the images to 8-bit RGB or to 8-bit grey (L)",
                )
            # Loaded first: a PNG may store its orientation after its pixels.
            image.load()
            method = _UPRIGHT_BY.get(orientation(image))
            upright = image if method is None else image.transpose(method)
            pixels_HWC = np.asarray(upright).reshape(upright.height, upright.width, MODES[image.mode])
    except _DAMAGE as error:
        reason = "not an image" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DataError(
            f"{place}: the image cannot be decoded: {reason}",
            remedy=f"replace or remove it; accepted are {', '.join(FORMATS)}",
        ) from None
    return pixels_HWC


def stack_images(placed_images: Iterable[tuple[str, Pixels]], total: int) -> Pixels:
    """`total` images as (N, height, width, channels). Raises DataError for the first whose shape differs."""
    images_NHWC: Pixels | None = None
    first_place = ""
    for index, (place, image_HWC) in enumerate(placed_images):
        if images_NHWC is None:
            images_NHWC, first_place = _allocated(total, image_HWC, place), place
        elif image_HWC.shape != images_NHWC.shape[1:]:
            raise DataError(
                f"{place}: the image is {_size(image_HWC.shape)}, but {first_place} is {_size(images_NHWC.shape[1:])}",
                remedy="bring all images, for training and testing, to one size and mode",
            )
        images_NHWC[index] = image_HWC
    assert images_NHWC is not None, "callers refuse empty splits, whose files they can name"
    return images_NHWC


def _allocated(total: int, image_HWC: Pixels, place: str) -> Pixels:
    try:
        return np.empty((total, *image_HWC.shape), np.uint8)
    except MemoryError:
        raise DataError(
            f"{place}: the image is {_size(image_HWC.shape)}, and {total:,} like it take "
            f"{size_text(total * image_HWC.nbytes)}, which this machine has not",
            remedy="make the images smaller, or take fewer",
        ) from None


def require_same_shape(train_images_NHWC: Pixels, test_images_NHWC: Pixels, test_place: str) -> None:
    """Raises DataError where test images differ in size or channels from the training images."""
    train, test = train_images_NHWC.shape[1:], test_images_NHWC.shape[1:]
    if train != test:
        raise DataError(
            f"{test_place}: the test images are {_size(test)}, the training images {_size(train)}",
            remedy="bring all images, for training and testing, to one size and mode",
        )


def _size(shape_HWC: tuple[int, ...]) -> str:
    height, width, channels = shape_HWC
    return f"{height}x{width} {'RGB' if channels == 3 else 'grey'}"
