"""How large data sets are said to be, against the data themselves."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bansweep.config.data import Cifar, Digits, ImageFolder, PennTreebank, TextFiles, WikiText2
from bansweep.data.known_sets import KNOWN_SETS
from bansweep.data.prepare import prepare
from bansweep.data.size import data_size
from bansweep.graph.operations import Images, Vocabulary
from bansweep.graph.workload import DataSize

SHARED = Path(os.environ.get("BANSWEEP_SHARED") or Path(__file__).parents[2].parent / "shared")
ELSEWHERE = "0" * 64


def test_digits_are_as_large_as_scikit_learn_has_them(tmp_path: Path) -> None:
    folder = prepare(Digits(), tmp_path)
    images_NHWC, labels_N = (np.load(folder / f"train_{name}.npy") for name in ("images", "labels"))
    size = data_size(Digits(), KNOWN_SETS["digits"].fingerprint, tmp_path)
    assert size is not None
    assert isinstance(size.inputs, Images)
    assert (size.training, size.evaluation, size.test) == (len(labels_N), 360, 360)
    assert (size.inputs.height, size.inputs.width, size.inputs.channels) == images_NHWC.shape[1:]
    assert size.inputs.classes == len(set(labels_N.tolist()))


def test_subsets_are_what_is_used(tmp_path: Path) -> None:
    cifar = Cifar(kind="cifar100", validation=5000, test_limit=700)
    expected = DataSize(Images(3, 32, 32, classes=100), training=45_000, evaluation=5000, test=700)
    assert data_size(cifar, ELSEWHERE, tmp_path) == expected
    limited = DataSize(Images(3, 32, 32, classes=10), training=400, evaluation=10_000, test=10_000)
    assert data_size(Cifar(kind="cifar10", limit=400), ELSEWHERE, tmp_path) == limited


def test_the_penn_treebanks_words_are_as_its_file_has_them(tmp_path: Path) -> None:
    file = SHARED / "data" / "ptb" / "ptb.train.txt"
    if not file.is_file():
        pytest.skip(f"no Penn Tree Bank at {file}")
    words = {*file.read_text("utf-8").split(), "<eos>"}
    size = data_size(PennTreebank(limit=500), ELSEWHERE, tmp_path)
    vocabulary = Vocabulary(len(words), characters=len(set().union(*words)), longest=max(map(len, words)))
    assert size == DataSize(vocabulary, training=500, evaluation=73_760, test=82_430)


def test_wikitext_2_is_known_as_published(tmp_path: Path) -> None:
    size = data_size(WikiText2(), ELSEWHERE, tmp_path)
    assert size is not None
    assert (size.inputs.__class__, size.training, size.test) == (Vocabulary, 2_088_628, 245_569)


def test_ones_own_images_are_known_once_they_are_prepared(
    tmp_path: Path, encode: Callable[[NDArray[np.uint8]], bytes]
) -> None:
    for split, label, images in (("train", "cat", 3), ("train", "dog", 2), ("test", "cat", 1), ("test", "dog", 1)):
        folder = tmp_path / "images" / split / label
        folder.mkdir(parents=True)
        for number in range(images):
            (folder / f"{number}.png").write_bytes(encode(np.full((9, 8, 3), number, np.uint8)))
    spec = ImageFolder(root=tmp_path / "images", validation=2)
    cache = tmp_path / "cache"
    assert data_size(spec, ELSEWHERE, cache) is None
    fingerprint = prepare(spec, cache).name
    expected = DataSize(Images(channels=3, height=9, width=8, classes=2), training=3, evaluation=2, test=2)
    assert data_size(spec, fingerprint, cache) == expected
    assert data_size(ImageFolder(root=tmp_path / "images", limit=6), fingerprint, cache) is None, "it has five"


def test_ones_own_text_is_known_once_it_is_prepared(tmp_path: Path) -> None:
    files = {split: tmp_path / f"{split}.txt" for split in ("train", "validation", "test")}
    files["train"].write_text("a longest word\na <unk>\n")
    files["validation"].write_text("a word\n")
    files["test"].write_text("word\nword a\n")
    spec = TextFiles(train=files["train"], validation=files["validation"], test=files["test"])
    cache = tmp_path / "cache"
    assert data_size(spec, ELSEWHERE, cache) is None
    folder = prepare(spec, cache)
    # a, longest, word, <unk>, <eos>: 16 characters, and an <eos> for each line.
    characters = len(set("alongestword<unk><eos>"))
    expected = DataSize(Vocabulary(5, characters, longest=7), training=7, evaluation=3, test=5)
    assert data_size(spec, folder.name, cache) == expected
    (folder / "vocabulary.json").write_text("[")
    assert data_size(spec, folder.name, cache) is None, "damage is for others to mend"
