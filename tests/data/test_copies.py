"""Test images that a network was trained on are counted, exactly among the images that a sweep uses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bansweep.config.data import ParquetImages
from bansweep.data.datasets import load_images, trained_test_images
from bansweep.data.decoded import DecodedImages, in_canonical_order
from bansweep.data.prepare import prepare

Write = Callable[..., Path]
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 5, 4, 3), dtype=np.uint8)


@given(seed=st.integers(0, 1000))
def test_each_test_image_knows_its_first_copy_among_the_training_images(seed: int) -> None:
    generator = np.random.default_rng(seed)
    # Few grey levels and labels on 1x2 images, so that copies occur, also several of one image.
    decoded = in_canonical_order(
        DecodedImages(
            generator.integers(0, 3, (12, 1, 2, 1), dtype=np.uint8),
            generator.integers(0, 2, 12),
            generator.integers(0, 3, (5, 1, 2, 1), dtype=np.uint8),
            generator.integers(0, 2, 5),
            ("a", "b"),
            "made up",
        )
    )
    for position, image, label in zip(
        decoded.test_copies_N, decoded.test_images_NHWC, decoded.test_labels_N, strict=True
    ):
        same = (decoded.train_images_NHWC == image).all((1, 2, 3)) & (decoded.train_labels_N == label)
        assert position == (same.argmax() if same.any() else -1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def spec(tmp_path: Path, write_parquet: Write) -> ParquetImages:
    """Twelve training images and five for testing: three copies, one copy with another label, one of its own."""
    labels = [index % 2 for index in range(12)]
    train = write_parquet(tmp_path / "train.parquet", IMAGES, labels)
    own = 255 - IMAGES[:1]
    test_images = np.concatenate([IMAGES[[2, 5, 9, 7]], own])
    test = write_parquet(tmp_path / "test.parquet", test_images, [0, 1, 1, 0, 0])
    return ParquetImages(train=train, test=test)


def test_copies_are_counted_with_their_labels(spec: ParquetImages, cache: Path) -> None:
    assert trained_test_images(spec, prepare(spec, cache)) == 3


# The same files serve all examples.
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_only_images_that_are_used_count(data: st.DataObject, spec: ParquetImages, cache: Path) -> None:
    folder = prepare(spec, cache)
    validation = data.draw(st.integers(0, 11))
    limit = data.draw(st.none() | st.integers(1, 12 - validation))
    test_limit = data.draw(st.none() | st.integers(1, 5))
    used = spec.model_copy(update={"validation": validation, "limit": limit, "test_limit": test_limit})
    images = load_images(used, folder)
    trained = {
        (image.tobytes(), int(label))
        for image, label in zip(images.train.images_NHWC, images.train.labels_N, strict=True)
    }
    tested = [
        (image.tobytes(), int(label))
        for image, label in zip(images.test.images_NHWC, images.test.labels_N, strict=True)
    ]
    assert trained_test_images(used, folder) == sum(one in trained for one in tested)
