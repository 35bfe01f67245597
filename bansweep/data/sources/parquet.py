"""Parquet in the hub's layout: all rows of the training and of the test files, with labels of one numbering.

Each file may list its class names in an order of its own (`class_order.py`). Without names, classes are numbered.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bansweep.data.class_order import NamedClasses, class_order
from bansweep.data.decoded import DecodedImages, Labels, Pixels
from bansweep.data.sources.encoded import decode_image, require_same_shape, stack_images
from bansweep.data.sources.parquet_files import (
    class_names,
    encoded_images,
    labels,
    opened_parquet,
    require_labels_below,
)
from bansweep.errors import DataError


def decode_parquet(
    train_files: Sequence[Path], test_files: Sequence[Path], *, image_column: str, label_column: str
) -> DecodedImages:
    """All rows of both splits. Raises DataError naming the file, and the row (from 0) where one is at fault."""
    train = _read_split(train_files, image_column, label_column)
    test = _read_split(test_files, image_column, label_column)
    require_same_shape(train.images_NHWC, test.images_NHWC, str(test_files[0]))
    order = class_order([part.classes for part in (*train.parts, *test.parts)])
    classes = order.names or _numbered_classes(train, train_files)
    return DecodedImages(
        train_images_NHWC=train.images_NHWC,
        train_labels_N=_numbered_by(classes, train),
        test_images_NHWC=test.images_NHWC,
        test_labels_N=_numbered_by(classes, test),
        classes=classes,
        source=", ".join(str(file) for file in (*train_files, *test_files)),
    )


@dataclass(frozen=True)
class _Part:
    """What one file of a split holds, besides images: its labels (rows,), numbered as its own class names are."""

    classes: NamedClasses
    labels_N: Labels


@dataclass(frozen=True)
class _Split:
    images_NHWC: Pixels
    parts: tuple[_Part, ...]


def _read_split(paths: Sequence[Path], image_column: str, label_column: str) -> _Split:
    with contextlib.ExitStack() as stack:
        opened = [(path, stack.enter_context(opened_parquet(path, image_column, label_column))) for path in paths]
        parts = tuple(
            _Part(NamedClasses(path, class_names(path, file, label_column)), labels(path, file, label_column))
            for path, file in opened
        )
        total = sum(len(part.labels_N) for part in parts)
        if total == 0:
            raise DataError(f"{paths[0]} holds no images", remedy="name a file that has rows")
        images = (
            (place, decode_image(encoded, place))
            for path, file in opened
            for place, encoded in encoded_images(path, file, image_column)
        )
        return _Split(stack_images(images, total), parts)


def _numbered_by(classes: tuple[str, ...], split: _Split) -> Labels:
    """The split's labels as positions in `classes`, int64 (N,). Raises DataError for a label that is no class."""
    for part in split.parts:
        require_labels_below(len(classes), part.classes.path, part.labels_N)
    return np.concatenate([_renumbered(part, classes) for part in split.parts])


def _renumbered(part: _Part, classes: tuple[str, ...]) -> Labels:
    if part.classes.names in ((), classes):
        return part.labels_N
    positions = np.array([classes.index(name) for name in part.classes.names], dtype=np.int64)
    return positions[part.labels_N]


def _numbered_classes(train: _Split, paths: Sequence[Path]) -> tuple[str, ...]:
    """Without names, the training labels say how many classes there are, if each of them occurs."""
    present = np.unique(np.concatenate([part.labels_N for part in train.parts]))
    missing = np.flatnonzero(present != np.arange(present.size))
    if missing.size:
        raise DataError(
            f"{paths[0]}: the label {int(missing[0])} has no training image, but {int(present[missing[0]])} has",
            remedy="labels count from 0 without gaps, unless the schema's metadata `classes` names the classes",
        )
    return tuple(str(label) for label in present)
