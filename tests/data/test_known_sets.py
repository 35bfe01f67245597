from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from bansweep.config.data import Cifar, Digits
from bansweep.data.cache import prepared_folder
from bansweep.data.datasets import load_images
from bansweep.data.decoded import content_fingerprint
from bansweep.data.known_sets import KNOWN_SETS
from bansweep.data.prepare import decode_images, prepare


def test_digits_are_the_published_ones(tmp_path: Path) -> None:
    decoded = decode_images(Digits(), tmp_path)
    assert content_fingerprint(decoded) == KNOWN_SETS["digits"].fingerprint
    assert decoded.train_images_NHWC.shape == (1437, 8, 8, 1)
    assert decoded.test_images_NHWC.shape == (360, 8, 8, 1)
    assert decoded.classes == tuple("0123456789")


def test_digits_are_scaled_and_split_as_documented(tmp_path: Path) -> None:
    decoded = decode_images(Digits(), tmp_path)
    original = load_digits()
    held_out = {(np.round(image / 16 * 255).astype(np.uint8).tobytes()) for image in original.images[-360:]}
    assert {image.tobytes() for image in decoded.test_images_NHWC} == held_out
    assert np.bincount(decoded.test_labels_N).tolist() == np.bincount(original.target[-360:]).tolist()
    assert decoded.train_images_NHWC.max() == 255


def test_cifar10_is_the_published_one(shared_data: Path, tmp_path: Path) -> None:
    # Decoding verifies the pinned fingerprint: a preparation that succeeds has the published images.
    spec = Cifar(kind="cifar10", root=shared_data, validation=5_000, limit=1_000, test_limit=10)
    data = load_images(spec, prepare(spec, tmp_path))
    assert " ".join(data.classes) == "airplane automobile bird cat deer dog frog horse ship truck"
    assert data.input_shape == (3, 32, 32)
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (1_000, 5_000, 10)
    # Canonical order is a shuffle: the first thousand hold each of the classes, about a hundred times.
    assert np.bincount(data.train.labels_N, minlength=10).min() > 60

    whole = load_images(Cifar(kind="cifar10"), prepared_folder(tmp_path, KNOWN_SETS["cifar10"].fingerprint))
    assert [round(mean, 4) for mean in whole.mean] == [0.4914, 0.4822, 0.4465]
    assert [round(deviation, 4) for deviation in whole.std] == [0.2470, 0.2435, 0.2616]
    assert np.bincount(whole.train.labels_N).tolist() == [5_000] * 10
    assert np.bincount(whole.test.labels_N).tolist() == [1_000] * 10


@pytest.mark.slow
def test_cifar100_is_the_published_one(shared_data: Path, tmp_path: Path) -> None:
    data = load_images(spec := Cifar(kind="cifar100", root=shared_data), prepare(spec, tmp_path))
    assert [round(mean, 3) for mean in data.mean] == [0.507, 0.487, 0.441]
    assert len(data.classes) == 100
    assert (data.classes[0], data.classes[99]) == ("apple", "worm")
    assert np.bincount(data.train.labels_N).tolist() == [500] * 100
    assert np.bincount(data.test.labels_N).tolist() == [100] * 100
