from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bansweep.data.decoded import DecodedImages, canonical_order, content_fingerprint, image_digests, in_canonical_order


def _set(seed: int, train: int = 12, test: int = 5) -> DecodedImages:
    generator = np.random.default_rng(seed)
    # Few grey levels and labels on 1x2 images, so that equal images and equal labels both occur.
    return DecodedImages(
        generator.integers(0, 3, (train, 1, 2, 1), dtype=np.uint8),
        generator.integers(0, 2, train),
        generator.integers(0, 3, (test, 1, 2, 1), dtype=np.uint8),
        generator.integers(0, 2, test),
        ("a", "b"),
        "made up",
    )


@given(seed=st.integers(0, 50), train=st.permutations(range(12)), test=st.permutations(range(5)))
def test_the_order_of_the_source_leaves_no_trace(seed: int, train: list[int], test: list[int]) -> None:
    original = _set(seed)
    shuffled = dataclasses.replace(
        original,
        train_images_NHWC=original.train_images_NHWC[train],
        train_labels_N=original.train_labels_N[train],
        test_images_NHWC=original.test_images_NHWC[test],
        test_labels_N=original.test_labels_N[test],
    )
    one, other = in_canonical_order(original), in_canonical_order(shuffled)
    for field in ("train_images_NHWC", "train_labels_N", "test_images_NHWC", "test_labels_N"):
        assert np.array_equal(getattr(one, field), getattr(other, field))
    assert content_fingerprint(one) == content_fingerprint(other)


def test_the_order_is_that_of_the_digests_of_label_and_pixels() -> None:
    images_NHWC = np.arange(4 * 12, dtype=np.uint8).reshape(4, 2, 2, 3)
    labels_N = np.array([3, 0, 300, 1])
    keys = [
        hashlib.sha256(label.astype("<i8").tobytes() + bytes(range(12 * index, 12 * index + 12))).hexdigest()
        for index, label in enumerate(labels_N)
    ]
    assert canonical_order(image_digests(images_NHWC, labels_N)).tolist() == sorted(range(4), key=keys.__getitem__)


def test_images_stay_with_their_labels() -> None:
    original = _set(3)
    ordered = in_canonical_order(original)

    def pairs(decoded: DecodedImages) -> list[tuple[bytes, int]]:
        return sorted(
            (image.tobytes(), int(label))
            for image, label in zip(decoded.train_images_NHWC, decoded.train_labels_N, strict=True)
        )

    assert pairs(ordered) == pairs(original)


def test_the_fingerprint_sees_pixels_labels_shape_and_split() -> None:
    original = in_canonical_order(_set(1))
    brighter = original.train_images_NHWC.copy()
    brighter[0, 0, 0, 0] += 1
    changed = [
        dataclasses.replace(original, train_images_NHWC=brighter),
        dataclasses.replace(original, test_labels_N=1 - original.test_labels_N),
        dataclasses.replace(original, train_images_NHWC=original.train_images_NHWC.reshape(12, 2, 1, 1)),
        dataclasses.replace(
            original,
            train_images_NHWC=original.test_images_NHWC,
            train_labels_N=original.test_labels_N,
            test_images_NHWC=original.train_images_NHWC,
            test_labels_N=original.train_labels_N,
        ),
    ]
    fingerprints = {content_fingerprint(decoded) for decoded in [original, *changed]}
    assert len(fingerprints) == 5
