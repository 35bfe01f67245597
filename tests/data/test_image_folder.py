from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bansweep.config.data import ImageFolder
from bansweep.data.decoded import DecodedImages
from bansweep.data.prepare import decode_images
from bansweep.errors import DataError


def _decode(root: Path) -> DecodedImages:
    return decode_images(ImageFolder(root=root), root.parent)


def test_images_are_labelled_by_their_folder(image_folder: Path) -> None:
    (image_folder / "train" / ".DS_Store").write_bytes(b"not for us")
    decoded = _decode(image_folder)
    assert decoded.classes == ("cat", "dog")
    assert decoded.train_images_NHWC.shape == (6, 6, 5, 3)
    assert np.bincount(decoded.test_labels_N).tolist() == [1, 1]
    dogs = {np.asarray(Image.open(path)).tobytes() for path in (image_folder / "train" / "dog").iterdir()}
    assert {image.tobytes() for image in decoded.train_images_NHWC[decoded.train_labels_N == 1]} == dogs


def _damage(image_folder: Path, encode: Callable[..., bytes], how: str) -> None:
    cat = image_folder / "train" / "cat"
    match how:
        case "truncated":
            (cat / "1.png").write_bytes((cat / "1.png").read_bytes()[:-30])
        case "text":
            (cat / "Thumbs.db").write_text("hello")
        case "Git LFS":
            (cat / "1.png").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n")
        case "size":
            (cat / "1.png").write_bytes(encode(np.zeros((8, 8, 3), np.uint8)))
        case "mode":
            (cat / "1.png").write_bytes(encode(np.zeros((6, 5, 1), np.uint8)))
        case "empty class":
            (image_folder / "train" / "eel").mkdir()
        case "nested":
            (cat / "more").mkdir()
        case "file beside":
            (image_folder / "train" / "labels.csv").write_text("hello")
        case "no test":
            shutil.rmtree(image_folder / "test")
        case "no classes":
            shutil.rmtree(image_folder / "train")
            (image_folder / "train").mkdir()
        case "one class":
            shutil.rmtree(image_folder / "train" / "dog")
            shutil.rmtree(image_folder / "test" / "dog")
        case "one level too high":
            for split in ("train", "test"):
                (image_folder / split).rename(image_folder / "images")
                (image_folder / split).mkdir()
                (image_folder / "images").rename(image_folder / split / "images")
        case "unknown class":
            (image_folder / "test" / "eel").mkdir()


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("truncated", r"cat/1\.png: the image cannot be decoded"),
        ("text", r"cat/Thumbs\.db: the image cannot be decoded: not an image"),
        ("Git LFS", r"cat/1\.png is a Git LFS pointer, not the image\n.*git lfs pull"),
        ("size", r"cat/1\.png: the image is 8x8 RGB, but .*cat/0\.png is 6x5 RGB"),
        ("mode", r"cat/1\.png: the image is 6x5 grey, but .*cat/0\.png is 6x5 RGB"),
        ("empty class", r"class folder .*train/eel is empty"),
        ("nested", r"cat/more is not a file"),
        ("file beside", r"train/labels\.csv lies beside the class folders"),
        ("no test", r"/test does not exist"),
        ("no classes", r"/train has no class folders"),
        (
            "one class",
            r"train has one class folder, 'cat', .*\n.*data\.root is one level too high or too low: .*<root>/train",
        ),
        ("one level too high", r"train has one class folder, 'images', .*\n.*data\.root is one level too high"),
        ("unknown class", r"test/eel is a class without training images\n.*cat, dog"),
    ],
)
def test_what_does_not_fit_is_named(how: str, problem: str, image_folder: Path, encode: Callable[..., bytes]) -> None:
    _damage(image_folder, encode, how)
    with pytest.raises(DataError, match=problem) as caught:
        _decode(image_folder)
    assert caught.value.remedy


def test_test_images_have_the_size_of_the_training_images(image_folder: Path, encode: Callable[..., bytes]) -> None:
    for path in (image_folder / "test").glob("*/*"):
        path.write_bytes(encode(np.zeros((9, 9, 3), np.uint8)))
    with pytest.raises(DataError, match=r"test images are 9x9 RGB, the training images 6x5 RGB"):
        _decode(image_folder)
