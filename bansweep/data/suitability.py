"""Whether a recipe and a network suit a data set: what can be known before anything starts. Imports no torch."""

from __future__ import annotations

from bansweep.data.images import ImageData
from bansweep.errors import DataError
from bansweep.spec.networks import NetworkSpec, check_image_size
from bansweep.spec.recipes import Recipe


def check_suitable(recipe: Recipe, network: NetworkSpec, data: ImageData) -> None:
    """Raises DataError for a padding or network that the images are too small for, or a batch that they cannot fill."""
    _, height, width = data.input_shape
    check_image_size(network, height, width)
    if recipe.augmentation is not None:
        check_pad(recipe.augmentation.pad, height, width)
    if recipe.batch_size > len(data.train):
        raise DataError(
            f"recipe.batch_size: {recipe.batch_size:,} is more than the {len(data.train):,} training images",
            remedy=f"set recipe.batch_size to {len(data.train):,} or less, or raise data.limit",
        )


def check_pad(pad: int, height: int, width: int) -> None:
    """Raises DataError where the padding is not smaller than the image: reflection ends there, and crops go empty."""
    if pad >= min(height, width):
        raise DataError(
            f"augmentation.pad: {pad} is not smaller than the images, which are {height}x{width}",
            remedy=f"set recipe.augmentation.pad to {min(height, width) - 1} or less",
        )
