"""Labels of Parquet files are matched by class name, and ids of what was always read rightly stay."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bansweep.config.data import ParquetImages
from bansweep.data.decoded import DecodedImages, content_fingerprint
from bansweep.data.fingerprint import source_fingerprints
from bansweep.data.prepare import decode_images
from bansweep.errors import DataError

Write = Callable[..., Path]
IMAGES = np.random.default_rng(0).integers(0, 256, (9, 5, 4, 3), dtype=np.uint8)
CLASS_OF = ["ant", "bee", "cow", "cow", "ant", "bee", "bee", "cow", "ant"]
SPLITS = {"train-0": slice(0, 3), "train-1": slice(3, 6), "test": slice(6, 9)}
Order = tuple[str, ...]
ORDERS: list[Order] = list(itertools.permutations(("ant", "bee", "cow")))


def hub_names(names: Order, label: str = "label") -> dict[str, str]:
    return {"huggingface": json.dumps({"info": {"features": {label: {"names": names, "_type": "ClassLabel"}}}})}


class Sets:
    """The nine images in two training files and a test file, each file with an order of its own."""

    def __init__(self, folder: Path, write: Write) -> None:
        self._folder = folder
        self.files = {
            (name, order): write(
                folder / "files" / f"{name}-{number}.parquet",
                IMAGES[part],
                [order.index(class_name) for class_name in CLASS_OF[part]],
                metadata=hub_names(order) if number % 2 else {"classes": ",".join(order)},
            )
            for name, part in SPLITS.items()
            for number, order in enumerate(ORDERS)
        }

    def spec(self, *orders: Order) -> ParquetImages:
        folder = self._folder / "-".join("".join(name[0] for name in order) for order in orders)
        for name, order in zip(SPLITS, orders, strict=True):
            link = folder / name.split("-")[0] / f"{name}.parquet"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(self.files[name, order])
        return ParquetImages(train=folder / "train", test=folder / "test")

    def former_fingerprint(self, *orders: Order) -> str:
        """As every version before computed it: from the bytes of the files."""
        first, second, test = (
            hashlib.sha256(self.files[name, order].read_bytes()).hexdigest()
            for name, order in zip(SPLITS, orders, strict=True)
        )
        content = {
            "image": "img",
            "kind": "parquet",
            "label": "label",
            "test": [test],
            "train": sorted([first, second]),
        }
        return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


@pytest.fixture
def sets(tmp_path: Path, write_parquet: Write) -> Sets:
    return Sets(tmp_path, write_parquet)


def named_images(decoded: DecodedImages) -> list[tuple[str, bytes, str]]:
    splits = {
        "train": (decoded.train_images_NHWC, decoded.train_labels_N),
        "test": (decoded.test_images_NHWC, decoded.test_labels_N),
    }
    return sorted(
        (split, image.tobytes(), decoded.classes[label])
        for split, (images, labels) in splits.items()
        for image, label in zip(images, labels, strict=True)
    )


def test_the_class_order_of_any_file_changes_neither_labels_nor_fingerprint(sets: Sets, tmp_path: Path) -> None:
    """All 216 ways of ordering the classes of two training files and a test file."""
    expected = sorted(
        ("test" if index >= 6 else "train", IMAGES[index].tobytes(), CLASS_OF[index]) for index in range(9)
    )
    labels, contents, fingerprints = set(), set(), set()
    for orders in itertools.product(ORDERS, repeat=3):
        spec = sets.spec(*orders)
        decoded = decode_images(spec, tmp_path)
        assert named_images(decoded) == expected, orders
        fingerprint = source_fingerprints(spec, tmp_path / "cache")[0]
        if len(set(orders)) == 1:
            # Files that agree were always read rightly: numbering and id stay, for stored networks rest on both.
            assert decoded.classes == orders[0]
            assert fingerprint == sets.former_fingerprint(*orders)
        else:
            # These were read wrongly, so that what is stored under their former id must not be found.
            assert fingerprint != sets.former_fingerprint(*orders)
            fingerprints.add(fingerprint)
        if len(set(orders)) > 1 or orders[0] == ("ant", "bee", "cow"):
            assert decoded.classes == ("ant", "bee", "cow")
            labels.add((tuple(decoded.train_labels_N), tuple(decoded.test_labels_N)))
            contents.add(content_fingerprint(decoded))
    assert (len(labels), len(contents), len(fingerprints)) == (1, 1, 1)


def test_the_fingerprint_by_name_sees_labels_images_split_and_names(tmp_path: Path, write_parquet: Write) -> None:
    def fingerprint(images: object = IMAGES, labels: list[int] = [0, 1, 2], names: Order = ("a", "b", "c")) -> str:  # noqa: B006
        train = write_parquet(tmp_path / "train.parquet", images, labels * 3, metadata=hub_names(names))
        test = write_parquet(tmp_path / "test.parquet", IMAGES[:3], [0, 1, 2], metadata=hub_names(names[::-1]))
        return source_fingerprints(ParquetImages(train=train, test=test), tmp_path / "cache")[0]

    original = fingerprint()
    swapped = source_fingerprints(
        ParquetImages(train=tmp_path / "test.parquet", test=tmp_path / "train.parquet"), tmp_path / "cache"
    )[0]
    changed = [fingerprint(IMAGES[::-1]), fingerprint(labels=[0, 2, 1]), fingerprint(names=("a", "b", "d")), swapped]
    assert len({original, *changed}) == 5
    assert fingerprint() == original


def refused(spec: ParquetImages, tmp_path: Path) -> DataError:
    """The same error, whether a set is planned or decoded."""
    with pytest.raises(DataError) as planned:
        source_fingerprints(spec, tmp_path / "cache")[0]
    with pytest.raises(DataError) as decoded:
        decode_images(spec, tmp_path)
    assert planned.value.cause == decoded.value.cause
    assert planned.value.remedy
    return decoded.value


@pytest.mark.parametrize("odd", ["train-1", "test"])
@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (("ant", "bee", "dog"), "differ from those of {first}: only here 'dog'; missing here 'cow'"),
        (("ant", "bee", "cow", "dog"), "differ from those of {first}: only here 'dog'"),
        (("ant", "bee"), "differ from those of {first}: missing here 'cow'"),
        (("ant", "bee", "cow", "cow"), "differ from those of {first}: a name occurs more often"),
        (None, "has no class names, but {first} has"),
    ],
)
def test_files_of_other_classes_are_refused_by_name(
    odd: str, names: Order | None, problem: str, tmp_path: Path, write_parquet: Write
) -> None:
    for name in SPLITS:
        named = ("ant", "bee", "cow") if name != odd else names
        metadata = None if named is None else {"classes": ",".join(named)}
        write_parquet(tmp_path / name.split("-")[0] / f"{name}.parquet", IMAGES[:3], [0, 1, 1], metadata=metadata)
    error = refused(ParquetImages(train=tmp_path / "train", test=tmp_path / "test"), tmp_path)
    first, wrong = tmp_path / "train" / "train-0.parquet", tmp_path / odd.split("-")[0] / f"{odd}.parquet"
    assert error.cause.startswith(str(wrong))
    assert problem.format(first=first) in error.cause


def test_names_in_further_files_only_are_refused(tmp_path: Path, write_parquet: Write) -> None:
    train = write_parquet(tmp_path / "train.parquet", IMAGES[:3], [0, 1, 2])
    test = write_parquet(tmp_path / "test.parquet", IMAGES[:3], [0, 1, 2], metadata={"classes": "ant,bee,cow"})
    assert (
        f"{train} has no class names, but {test} has" in refused(ParquetImages(train=train, test=test), tmp_path).cause
    )


def test_a_name_that_occurs_twice_cannot_be_matched(tmp_path: Path, write_parquet: Write) -> None:
    train = write_parquet(tmp_path / "train.parquet", IMAGES[:3], [0, 1, 2], metadata={"classes": "ant,ant,cow"})
    test = write_parquet(tmp_path / "test.parquet", IMAGES[:3], [0, 1, 2], metadata={"classes": "ant,cow,ant"})
    assert "two classes are named 'ant'" in refused(ParquetImages(train=train, test=test), tmp_path).cause
    alike = ParquetImages(train=train, test=train)
    assert decode_images(alike, tmp_path).classes == ("ant", "ant", "cow")


def test_labels_outside_the_names_are_refused_where_files_differ(tmp_path: Path, write_parquet: Write) -> None:
    train = write_parquet(tmp_path / "train.parquet", IMAGES[:3], [0, 1, 2], metadata={"classes": "ant,bee,cow"})
    for label in (-1, 3):
        test = write_parquet(tmp_path / "t.parquet", IMAGES[:3], [0, label, 2], metadata={"classes": "cow,bee,ant"})
        error = refused(ParquetImages(train=train, test=test), tmp_path)
        assert f"{test}, row 1: the label is {label}" in error.cause
