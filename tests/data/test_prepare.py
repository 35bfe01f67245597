from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from patience import PROCESS_S
from PIL import Image

from bansweep.config.data import ImageFolder
from bansweep.data.cache import SETTLED_NS, prepared_folder
from bansweep.data.datasets import load_images
from bansweep.data.decoded import DecodedImages
from bansweep.data.fingerprint import source_fingerprints
from bansweep.data.prepare import decode_images, prepare
from bansweep.errors import DataError


@pytest.fixture
def spec(image_folder: Path) -> ImageFolder:
    return ImageFolder(root=image_folder)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_prepared_set_is_the_decoded_one(spec: ImageFolder, cache: Path) -> None:
    folder = prepare(spec, cache)
    decoded = decode_images(spec, cache)
    data = load_images(spec, folder)
    assert np.array_equal(data.train.images_NHWC, decoded.train_images_NHWC)
    assert np.array_equal(data.train.labels_N, decoded.train_labels_N)
    assert np.array_equal(data.test.images_NHWC, decoded.test_images_NHWC)
    assert np.array_equal(data.test.labels_N, decoded.test_labels_N)
    assert data.classes == ("cat", "dog")
    assert data.input_shape == (3, 6, 5)
    assert data.train.images_NHWC.dtype == np.uint8
    assert isinstance(data.train.images_NHWC, np.memmap)
    meta = json.loads((folder / "meta.json").read_text())
    assert (meta["kind"], meta["fingerprint"], meta["source"]) == ("folder", folder.name, str(spec.root))


def test_subsets_and_what_epochs_are_judged_by(spec: ImageFolder, cache: Path) -> None:
    folder = prepare(spec, cache)
    whole = load_images(spec, folder)
    assert whole.evaluation == ("test", whole.test)
    part = load_images(spec.model_copy(update={"limit": 3, "validation": 2, "test_limit": 1}), folder)
    assert part.validation is not None
    assert part.evaluation == ("validation", part.validation)
    assert (len(part.train), len(part.validation), len(part.test)) == (3, 2, 1)
    assert np.array_equal(part.train.images_NHWC, whole.train.images_NHWC[:3])
    assert np.array_equal(part.validation.images_NHWC, whole.train.images_NHWC[-2:])
    assert np.array_equal(part.validation.labels_N, whole.train.labels_N[-2:])


def test_images_are_normalised_by_those_that_are_trained_on(spec: ImageFolder, cache: Path) -> None:
    folder = prepare(spec, cache)
    for subset in ({}, {"limit": 3}, {"validation": 2}):
        data = load_images(spec.model_copy(update=subset), folder)
        pixels_NHWC = data.train.images_NHWC / 255
        assert data.mean == pytest.approx(pixels_NHWC.mean((0, 1, 2))), subset
        assert data.std == pytest.approx(pixels_NHWC.std((0, 1, 2))), subset


def test_a_set_that_is_known_is_taken_without_its_source(spec: ImageFolder, cache: Path) -> None:
    folder = prepare(spec, cache)
    shutil.rmtree(spec.root)
    assert prepare(spec, cache, known_as=folder.name) == folder


def test_a_set_that_has_changed_is_not_taken_for_the_one_that_was_known(spec: ImageFolder, cache: Path) -> None:
    (spec.root / "train" / "cat" / "0.png").unlink()
    with pytest.raises(DataError, match="its files have changed"):
        prepare(spec, cache, known_as="0" * 64)


def test_what_is_prepared_is_not_decoded_again(spec: ImageFolder, cache: Path) -> None:
    folder = prepare(spec, cache)
    written = (folder / "meta.json").stat().st_ino
    assert prepare(spec, cache) == folder
    assert (folder / "meta.json").stat().st_ino == written


def test_exchanged_content_is_never_served_from_the_former_copy(spec: ImageFolder, cache: Path) -> None:
    one, other = (spec.root / "train" / name / "0.png" for name in ("cat", "dog"))
    size = max(path.stat().st_size for path in (one, other))
    for path in (one, other):
        path.write_bytes(path.read_bytes().ljust(size, b"\0"))
        os.utime(path, (1_000_000, 1_000_000))
    while time.time_ns() - other.stat().st_ctime_ns <= SETTLED_NS:
        time.sleep(0.05)
    folder = prepare(spec, cache)
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    for path in (one, other):
        os.utime(path, (1_000_000, 1_000_000))
    data = load_images(spec, prepare(spec, cache))
    cats = {image.tobytes() for image in data.train.images_NHWC[data.train.labels_N == 0]}
    assert prepare(spec, cache) != folder
    assert cats == {np.asarray(Image.open(path)).tobytes() for path in one.parent.iterdir()}


def test_files_that_change_while_they_are_decoded_are_refused(
    spec: ImageFolder, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode_while_copying(*arguments: Any) -> DecodedImages:
        decoded = decode_images(*arguments)
        shutil.copy(spec.root / "train" / "dog" / "1.png", spec.root / "train" / "cat" / "1.png")
        return decoded

    monkeypatch.setattr("bansweep.data.prepare.decode_images", decode_while_copying)
    fingerprint = source_fingerprints(spec, cache)[0]
    with pytest.raises(DataError, match="folder changed while they were read"):
        prepare(spec, cache)
    assert not prepared_folder(cache, fingerprint).exists()


def test_a_copy_of_a_former_version_is_neither_used_nor_removed(spec: ImageFolder, cache: Path) -> None:
    folder = prepare(spec, cache)
    former = cache / "prepared" / folder.name
    shutil.copytree(folder, former)
    _flip_a_bit(former / "train_images.npy")
    shutil.rmtree(folder)
    assert prepare(spec, cache, known_as=folder.name) == folder != former
    assert (former / "train_images.npy").read_bytes() != (folder / "train_images.npy").read_bytes()


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["train_images.npy", "test_labels.npy", "meta.json"])
def test_what_is_cut_short_is_set_aside_and_made_again(
    name: str, spec: ImageFolder, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = prepare(spec, cache)
    whole = (folder / name).read_bytes()
    for _ in range(2):
        _cut_short(folder / name)
        with caplog.at_level(logging.WARNING):
            assert prepare(spec, cache) == folder
        assert (folder / name).read_bytes() == whole
    assert name in caplog.text
    kept = {path.suffix for path in folder.parent.iterdir()}
    assert kept == {"", ".lock", ".damaged"}


def test_changed_bits_are_found_on_demand(spec: ImageFolder, cache: Path) -> None:
    folder = prepare(spec, cache)
    whole = (folder / "train_images.npy").read_bytes()
    _flip_a_bit(folder / "train_images.npy")
    prepare(spec, cache)
    assert (folder / "train_images.npy").read_bytes() != whole
    prepare(spec, cache, verify=True)
    assert (folder / "train_images.npy").read_bytes() == whole


def test_a_preparation_that_was_killed_leaves_nothing_behind(spec: ImageFolder, cache: Path) -> None:
    folder = prepare(spec, cache)
    partial = folder.with_name(f"{folder.name}.partial")
    folder.rename(partial)
    (partial / "meta.json").unlink()
    assert prepare(spec, cache) == folder
    assert not partial.exists()


def test_an_unwritable_cache_is_named(spec: ImageFolder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="BANSWEEP_CACHE"):
        prepare(spec, tmp_path / "file")


def test_a_damaged_description_is_an_error_where_it_is_read(spec: ImageFolder, cache: Path) -> None:
    folder = prepare(spec, cache)
    (folder / "train_labels.npy").write_bytes(b"\x93NUMPY but no more")
    with pytest.raises(DataError, match=r"train_labels\.npy cannot be read"):
        load_images(spec, folder)
    (folder / "meta.json").write_text("{}")
    with pytest.raises(DataError, match=r"meta\.json is damaged"):
        load_images(spec, folder)


TWO_AT_ONCE = """
import sys, time
from pathlib import Path
import bansweep.data.prepare as module
from bansweep.config.data import ImageFolder

root, cache, own, other, log = map(Path, sys.argv[1:])
decode_images = module.decode_images

def slow_decode(*arguments):
    with log.open("a") as file:
        file.write("decoded\\n")
    time.sleep(0.5)
    return decode_images(*arguments)

module.decode_images = slow_decode
own.touch()
while not other.exists():
    time.sleep(0.01)
print(module.prepare(ImageFolder(root=root), cache))
"""


def test_two_processes_decode_once(spec: ImageFolder, cache: Path, tmp_path: Path) -> None:
    log, signs = tmp_path / "log", (tmp_path / "a", tmp_path / "b")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TWO_AT_ONCE, str(spec.root), str(cache), str(own), str(other), str(log)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for own, other in (signs, signs[::-1])
    ]
    outputs = {process.communicate(timeout=PROCESS_S)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert log.read_text() == "decoded\n"
    (folder,) = outputs
    assert len(load_images(spec, Path(folder)).train) == 6
