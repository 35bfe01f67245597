"""Images that user code returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bansweep.config.base import without_negative_zeros
from bansweep.config.data import UserImages
from bansweep.config.user_code import UserCode
from bansweep.data.decoded import DecodedImages, Labels, Pixels
from bansweep.errors import DataError, TrainingError
from bansweep.user_code import user_function

_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


def decode_user_images(spec: UserImages) -> DecodedImages:
    """The images that the function returns, validated. Raises DataError where it fails, or returns something else."""
    try:
        returned = user_function(without_negative_zeros(spec))()
    except TrainingError as error:
        raise DataError(error.cause, remedy=error.remedy) from error
    if not isinstance(returned, Mapping) or (missing := [name for name in _ARRAYS if name not in returned]):
        got = type(returned).__name__ if not isinstance(returned, Mapping) else f"one without {', '.join(missing)}"
        raise _wrong(spec.code, f"has to return a mapping with {', '.join(_ARRAYS)}, not {got}")
    train, test = (_images(spec.code, f"{split}_images", returned[f"{split}_images"]) for split in ("train", "test"))
    if train.shape[1:] != test.shape[1:]:
        raise _wrong(
            spec.code, f"returned images of {train.shape[1:]} for training and of {test.shape[1:]} for testing"
        )
    classes = _classes(spec.code, returned)
    train_labels, test_labels = (
        _labels(spec.code, f"{split}_labels", returned[f"{split}_labels"], len(images), len(classes))
        for split, images in (("train", train), ("test", test))
    )
    return DecodedImages(train, train_labels, test, test_labels, classes, source=f"{spec.code.file}:{spec.code.name}")


def _images(code: UserCode, name: str, value: Any) -> Pixels:
    images = np.asarray(value)
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or 0 in images.shape:
        raise _wrong(
            code,
            f"returned {name} of type {images.dtype} and shape {images.shape}: images are bytes (uint8) of shape "
            "(N, height, width, channels), or (N, height, width) where they are grey",
        )
    return np.ascontiguousarray(images if images.ndim == 4 else images[..., None])


def _classes(code: UserCode, returned: Mapping[str, Any]) -> tuple[str, ...]:
    names = returned.get("classes")
    if names is None:
        labels = np.asarray(returned["train_labels"])
        known = labels.dtype.kind in "iu" and labels.size
        return tuple(map(str, range(int(labels.max()) + 1))) if known else ()
    classes = tuple(map(str, names))
    if len(set(classes)) != len(classes):
        raise _wrong(code, "returned classes of which two have one name")
    return classes


def _labels(code: UserCode, name: str, value: Any, images: int, classes: int) -> Labels:
    labels = np.asarray(value)
    if labels.dtype.kind not in "iu" or labels.shape != (images,):
        raise _wrong(
            code, f"returned {name} of type {labels.dtype} and shape {labels.shape}: one whole number for each image"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise _wrong(code, f"returned {name} from {labels.min()} to {labels.max()}, and {classes} classes count from 0")
    return labels.astype(np.int64)


def _wrong(code: UserCode, what: str) -> DataError:
    return DataError(f"{code.file}: {code.name} {what}", remedy="fix the function and run the sweep again")
