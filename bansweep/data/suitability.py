"""Whether a recipe and a network suit a data set: what can be known before anything starts. Imports no torch."""

from __future__ import annotations

from bansweep.data.images import ImageData
from bansweep.data.text import TextData
from bansweep.errors import DataError
from bansweep.spec.networks import ImageNetworkSpec, OwnNetwork, check_image_size
from bansweep.spec.recipes import LanguageRecipe, Recipe


def check_suitable(recipe: Recipe, network: ImageNetworkSpec, data: ImageData) -> None:
    """Raises DataError for a padding or network that the images are too small for, or a batch that they cannot fill."""
    _, height, width = data.input_shape
    if not isinstance(network, OwnNetwork):
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
