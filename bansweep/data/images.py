"""The part of a prepared set that a sweep uses, mapped into memory: nothing is read until it is touched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bansweep.data.channel_statistics import channel_statistics
from bansweep.data.decoded import Labels, Pixels
from bansweep.data.descriptions import PreparedImages, read_description
from bansweep.data.prepared import map_array
from bansweep.data.prepared_images import COPIES, FILES
from bansweep.data.splits import split_ranges
from bansweep.spec.data import ImageDataSpec


@dataclass(frozen=True)
class ImageSplit:
    """Images (N, height, width, channels) as uint8 and their labels (N,), in canonical order; nobody writes to them."""

    images_NHWC: Pixels
    labels_N: Labels

    def __len__(self) -> int:
        return len(self.labels_N)


@dataclass(frozen=True)
class ImageData:
    """What a sweep trains, validates and tests on.

    `mean` and `std`: per channel, of the pixels in [0, 1] that are trained on, and of no others.
    """

    train: ImageSplit
    validation: ImageSplit | None
    test: ImageSplit
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width): what a network is built for."""
        _, height, width, channels = self.train.images_NHWC.shape
        return channels, height, width

    @property
    def evaluation(self) -> tuple[str, ImageSplit]:
        """The split that epochs are judged by, and its name: `validation` where there is one, else `test`."""
        return ("test", self.test) if self.validation is None else ("validation", self.validation)


def load_images(spec: ImageDataSpec, folder: Path) -> ImageData:
    """The subsets that `spec` asks for, of the set that `prepare(spec)` left in `folder`.

    Raises DataError where the arrays cannot be read, or the set has too few images.
    """
    meta = read_description(folder, PreparedImages)
    ranges = split_ranges(spec, meta.training_images, meta.test_images)
    train_images_NHWC, train_labels_N, test_images_NHWC, test_labels_N, counts_PKL = (
        map_array(folder / name, copy_on_write=True) for name in FILES
    )
    train = _part(train_images_NHWC, train_labels_N, ranges.train)
    # Held-out images must not act on the normalisation.
    mean, std = channel_statistics(counts_PKL, train.images_NHWC)
    return ImageData(
        train=train,
        validation=None if ranges.validation is None else _part(train_images_NHWC, train_labels_N, ranges.validation),
        test=_part(test_images_NHWC, test_labels_N, ranges.test),
        classes=meta.classes,
        mean=mean,
        std=std,
    )


def trained_test_images(spec: ImageDataSpec, folder: Path) -> int:
    """How many of the test images that `spec` uses are also among its training images, with the same label.

    `folder` is what `prepare(spec)` left. Raises DataError where it cannot be read, or the set has too few images.
    """
    meta = read_description(folder, PreparedImages)
    ranges = split_ranges(spec, meta.training_images, meta.test_images)
    copies_N = map_array(folder / COPIES)[ranges.test.start : ranges.test.stop]
    return int(((copies_N >= ranges.train.start) & (copies_N < ranges.train.stop)).sum())


def _part(images_NHWC: Pixels, labels_N: Labels, part: range) -> ImageSplit:
    return ImageSplit(images_NHWC[part.start : part.stop], labels_N[part.start : part.stop])
