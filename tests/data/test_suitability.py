"""What is refused before anything starts, because recipe, network and images do not suit each other."""

from __future__ import annotations

import numpy as np
import pytest

from bansweep.config.networks import WideResNet
from bansweep.config.recipes import RECIPES, Augmentation, Recipe
from bansweep.data.datasets import ImageData, ImageSplit, check_pad, check_suitable
from bansweep.errors import DataError

NETWORK = WideResNet(depth=10, width=1)
RECIPE = Recipe.model_validate(RECIPES["wide-resnet"])


def images(count: int, side: int) -> ImageData:
    split = ImageSplit(np.zeros((count, side, side, 1), np.uint8), np.zeros(count, np.int64))
    return ImageData(split, None, split, ("a",), (0.5,), (0.5,))


def test_padding_is_smaller_than_the_image() -> None:
    check_pad(7, 8, 9)
    with pytest.raises(DataError, match=r"pad: 8 is not smaller than the images, which are 9x8\n.*to 7 or less"):
        check_pad(8, 9, 8)


def test_what_suits() -> None:
    check_suitable(RECIPE, NETWORK, images(128, 8))
    check_suitable(RECIPE.model_copy(update={"augmentation": None}), NETWORK, images(128, 8))


@pytest.mark.parametrize(
    ("count", "side", "pad", "message"),
    [
        (127, 8, 4, "batch_size: 128 is more than the 127 training images"),
        (128, 7, 4, "wrn-10-1 cannot take images of 7x7 pixels"),
        (128, 8, 8, "pad: 8 is not smaller"),
    ],
)
def test_what_does_not(count: int, side: int, pad: int, message: str) -> None:
    recipe = RECIPE.model_copy(update={"augmentation": Augmentation(pad=pad)})
    with pytest.raises(DataError, match=message):
        check_suitable(recipe, NETWORK, images(count, side))
