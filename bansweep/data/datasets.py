"""The part of a prepared data set that a sweep uses, mapped into memory, and whether it suits the sweep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bansweep.config.data import ImageDataSpec, TextSpec
from bansweep.config.networks import ImageNetworkSpec, UserNetwork, check_image_size
from bansweep.config.recipes import LanguageRecipe, Recipe
from bansweep.data.decoded import Labels, Pixels, Tokens
from bansweep.data.descriptions import PreparedImages, PreparedText, read_description, read_vocabulary
from bansweep.data.prepared import COPIES_FILE, IMAGE_FILES, TOKEN_FILES, channel_statistics, map_array
from bansweep.data.sentences import END_OF_SENTENCE
from bansweep.data.splits import split_ranges, tokens_used
from bansweep.errors import DataError


@dataclass(frozen=True)
class ImageSplit:
    """Images (N, height, width, channels) as uint8 and their labels (N,), in canonical order; do not write to them."""

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
        map_array(folder / name, copy_on_write=True) for name in IMAGE_FILES
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
    copies_N = map_array(folder / COPIES_FILE)[ranges.test.start : ranges.test.stop]
    return int(((copies_N >= ranges.train.start) & (copies_N < ranges.train.stop)).sum())


def _part(images_NHWC: Pixels, labels_N: Labels, part: range) -> ImageSplit:
    return ImageSplit(images_NHWC[part.start : part.stop], labels_N[part.start : part.stop])


@dataclass(frozen=True)
class TextData:
    """What a language model is trained, validated and tested on.

    The splits are int32 (N,), read-only, in the order of the text; a token is a position in `vocabulary`, which is
    that of the whole training file. `end_of_sentence` is the token that ends every line.
    """

    train_N: Tokens
    validation_N: Tokens
    test_N: Tokens
    vocabulary: tuple[str, ...]
    end_of_sentence: int


def load_text(spec: TextSpec, folder: Path) -> TextData:
    """The first tokens, as many as `spec` asks for, of the text that `prepare(spec)` left in `folder`.

    Raises DataError where a file cannot be read, or the text has too few tokens.
    """
    used = tokens_used(spec, read_description(folder, PreparedText).tokens)
    vocabulary = read_vocabulary(folder)
    train_N, validation_N, test_N = (
        map_array(folder / name)[:tokens] for name, tokens in zip(TOKEN_FILES, used, strict=True)
    )
    return TextData(train_N, validation_N, test_N, vocabulary, vocabulary.index(END_OF_SENTENCE))


def check_suitable(recipe: Recipe, network: ImageNetworkSpec, data: ImageData) -> None:
    """Raises DataError for a padding or network that the images are too small for, or a batch that they cannot fill."""
    _, height, width = data.input_shape
    if not isinstance(network, UserNetwork):
        check_image_size(network, height, width)
    if recipe.augmentation is not None:
        check_pad(recipe.augmentation.pad, height, width)
    if recipe.batch_size > len(data.train):
        raise DataError(
            f"recipe.batch_size: {recipe.batch_size:,} is more than the {len(data.train):,} training images",
            remedy=f"set recipe.batch_size to {len(data.train):,} or less, or raise data.limit",
        )


def check_text_suitable(recipe: LanguageRecipe, data: TextData) -> None:
    """Raises DataError for more streams than there are tokens to train on."""
    if recipe.batch_size > len(data.train_N):
        raise DataError(
            f"recipe.batch_size: {recipe.batch_size:,} streams are more than the {len(data.train_N):,} training tokens",
            remedy=f"set recipe.batch_size to {len(data.train_N):,} or less, or raise data.limit",
        )


def check_pad(pad: int, height: int, width: int) -> None:
    """Raises DataError where the padding is not smaller than the image: reflection ends there, and crops go empty."""
    if pad >= min(height, width):
        raise DataError(
            f"augmentation.pad: {pad} is not smaller than the images, which are {height}x{width}",
            remedy=f"set recipe.augmentation.pad to {min(height, width) - 1} or less",
        )
