from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bansweep.config.data import ParquetImages
from bansweep.data.decoded import DecodedImages, canonical_order, image_digests
from bansweep.data.prepare import decode_images
from bansweep.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
LABELS = [0, 1, 2, 0, 1, 2]

Write = Callable[..., Path]


def _decode(train: Path, test: Path | None = None, **options: str) -> DecodedImages:
    return decode_images(ParquetImages(train=train, test=test or train, **options), train.parent)


@pytest.mark.parametrize("struct", [True, False])
def test_images_and_labels_come_back(struct: bool, tmp_path: Path, write_parquet: Write) -> None:
    decoded = _decode(write_parquet(tmp_path / "a.parquet", IMAGES, LABELS, struct=struct))
    order = canonical_order(image_digests(IMAGES, np.array(LABELS)))
    assert np.array_equal(decoded.train_images_NHWC, IMAGES[order])
    assert decoded.train_labels_N.tolist() == [LABELS[index] for index in order]
    assert decoded.train_images_NHWC.dtype == np.uint8
    assert decoded.train_labels_N.dtype == np.int64


def test_grey_images_have_one_channel(tmp_path: Path, write_parquet: Write) -> None:
    decoded = _decode(write_parquet(tmp_path / "a.parquet", IMAGES[..., :1], LABELS))
    assert decoded.train_images_NHWC.shape == (6, 5, 4, 1)


@pytest.mark.parametrize(
    ("metadata", "classes"),
    [
        (None, ("0", "1", "2")),
        ({"classes": "ant,bee,cow,dog"}, ("ant", "bee", "cow", "dog")),
        (
            {"huggingface": json.dumps({"info": {"features": {"label": {"names": ["x", "y", "z"]}}}})},
            ("x", "y", "z"),
        ),
        ({"huggingface": "{}"}, ("0", "1", "2")),
    ],
)
def test_classes_are_named_by_the_schema(
    metadata: dict[str, str] | None, classes: tuple[str, ...], tmp_path: Path, write_parquet: Write
) -> None:
    path = write_parquet(tmp_path / "a.parquet", IMAGES, LABELS, metadata=metadata)
    assert _decode(path).classes == classes


def test_a_folder_of_shards_is_one_split(tmp_path: Path, write_parquet: Write) -> None:
    whole = write_parquet(tmp_path / "whole.parquet", IMAGES, LABELS)
    write_parquet(tmp_path / "shards" / "0.parquet", IMAGES[:4], LABELS[:4])
    write_parquet(tmp_path / "shards" / "1.parquet", IMAGES[4:], LABELS[4:])
    one, other = _decode(whole), _decode(tmp_path / "shards", whole)
    assert np.array_equal(one.train_images_NHWC, other.train_images_NHWC)
    assert np.array_equal(one.train_labels_N, other.train_labels_N)


def test_a_bad_row_of_a_shard_is_counted_within_it(tmp_path: Path, write_parquet: Write) -> None:
    named = {"metadata": {"classes": "a,b,c"}}
    write_parquet(tmp_path / "shards" / "0.parquet", IMAGES, LABELS, **named)
    write_parquet(tmp_path / "shards" / "1.parquet", IMAGES, [0, 1, 2, -1, 1, 2], **named)
    test = write_parquet(tmp_path / "test.parquet", IMAGES, LABELS, **named)
    with pytest.raises(DataError, match=r"1\.parquet, row 3: the label is -1"):
        _decode(tmp_path / "shards", test)


def test_columns_may_have_other_names(tmp_path: Path, write_parquet: Write) -> None:
    path = write_parquet(tmp_path / "a.parquet", IMAGES, LABELS, image="picture", label="kind")
    assert len(_decode(path, image="picture", label="kind").train_labels_N) == 6
    with pytest.raises(DataError, match=r"no column 'img'; its columns are picture, kind\n.*--set data\.image=NAME"):
        _decode(path)
    with pytest.raises(DataError, match=r"no column 'label'"):
        _decode(path, image="picture")
    with pytest.raises(DataError, match=r"holds int64, not encoded images"):
        _decode(path, image="kind", label="kind")
    with pytest.raises(DataError, match=r"not integers"):
        _decode(path, image="picture", label="picture")


def test_bad_images_are_named_by_file_and_row(
    tmp_path: Path, write_parquet: Write, encode: Callable[..., bytes]
) -> None:
    whole = encode(IMAGES[0])
    larger = encode(np.zeros((7, 4, 3), np.uint8))
    translucent = encode(np.zeros((5, 4, 4), np.uint8))
    for content, problem in [
        (whole[:60], "the image cannot be decoded"),
        (b"hello", "cannot be decoded: not an image"),
        (b"", "cannot be decoded: not an image"),
        (None, "the image is missing"),
        (larger, "the image is 7x4 RGB, but .*a.parquet, row 0 is 5x4 RGB"),
        (translucent, "mode is RGBA"),
    ]:
        path = write_parquet(tmp_path / "a.parquet", IMAGES, LABELS, rows={4: content})
        with pytest.raises(DataError, match=rf"a\.parquet, row 4: .*{problem}") as caught:
            _decode(path)
        assert caught.value.remedy


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ([0, 1, None, 0, 1, 2], "row 2: the label is missing"),
        ([0, 1, 2, 0, 1, 5], "the label 3 has no training image, but 5 has"),
        ([1, 1, 2, 2, 1, 2], "the label 0 has no training image, but 1 has"),
        ([0, 1, 2, 0, 1, 10**15], "the label 3 has no training image"),
    ],
)
def test_bad_labels_are_refused(labels: list[int | None], problem: str, tmp_path: Path, write_parquet: Write) -> None:
    with pytest.raises(DataError, match=problem):
        _decode(write_parquet(tmp_path / "a.parquet", IMAGES, labels))


@pytest.mark.parametrize(("metadata", "label", "name"), [(None, 0, "0"), ({"classes": "ant,bee,cow"}, 1, "bee")])
def test_training_images_of_one_class_are_refused(
    metadata: dict[str, str] | None, label: int, name: str, tmp_path: Path, write_parquet: Write
) -> None:
    train = write_parquet(tmp_path / "train.parquet", IMAGES, [label] * 6, metadata=metadata)
    test = write_parquet(tmp_path / "test.parquet", IMAGES, [0] * 6, metadata=metadata)
    with pytest.raises(
        DataError, match=rf"train\.parquet: all 6 .* one class, '{name}'\n.*data\.label, which is 'label'"
    ):
        _decode(train, test)


def test_test_labels_are_among_the_training_labels(tmp_path: Path, write_parquet: Write) -> None:
    train = write_parquet(tmp_path / "train.parquet", IMAGES, LABELS)
    test = write_parquet(tmp_path / "test.parquet", IMAGES, [0, 1, 2, 3, 0, 0])
    with pytest.raises(DataError, match=r"test\.parquet, row 3: the label is 3\n.*0\.\.2"):
        _decode(train, test)


def test_test_images_have_the_size_of_the_training_images(tmp_path: Path, write_parquet: Write) -> None:
    train = write_parquet(tmp_path / "train.parquet", IMAGES, LABELS)
    test = write_parquet(tmp_path / "test.parquet", IMAGES[..., :1], LABELS)
    with pytest.raises(DataError, match=r"test\.parquet: the test images are 5x4 grey, the training images 5x4 RGB"):
        _decode(train, test)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()], ids=str)
def test_images_are_read_from_every_binary_type(
    kind: pa.DataType, tmp_path: Path, write_parquet: Write, encode: Callable[..., bytes]
) -> None:
    columns = [pa.array(list(map(encode, IMAGES)), kind), pa.array(LABELS)]
    pq.write_table(pa.table(columns, names=["img", "label"]), tmp_path / "typed.parquet")
    typed = _decode(tmp_path / "typed.parquet")
    plain = _decode(write_parquet(tmp_path / "plain.parquet", IMAGES, LABELS))
    assert np.array_equal(typed.train_images_NHWC, plain.train_images_NHWC)
    assert typed.train_labels_N.tolist() == plain.train_labels_N.tolist()


@pytest.mark.parametrize(("twice", "key"), [("label", "label"), ("img", "image")])
def test_two_columns_of_one_name_are_refused(
    twice: str, key: str, tmp_path: Path, encode: Callable[..., bytes]
) -> None:
    columns = {"img": pa.array(list(map(encode, IMAGES))), "label": pa.array(LABELS)}
    names = [*columns, twice]
    pq.write_table(pa.table([columns[name] for name in names], names=names), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=rf"a\.parquet has 2 columns named '{twice}'\n.*--set data\.{key}=NAME"):
        _decode(tmp_path / "a.parquet")


def test_paths_of_images_are_not_followed(tmp_path: Path) -> None:
    images = pa.array(
        [{"bytes": None, "path": "img/0.png"}] * 2, pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    )
    pq.write_table(pa.table([images, pa.array([0, 1])], names=["img", "label"]), tmp_path / "a.parquet")
    with pytest.raises(
        DataError, match=r"a\.parquet, row 0: the file holds the path of the image, 'img/0\.png', and not"
    ):
        _decode(tmp_path / "a.parquet")


def test_git_lfs_pointers_are_told_from_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 119705255\n")
    with pytest.raises(DataError, match=r"a\.parquet is a Git LFS pointer, not the data\n.*git lfs pull"):
        _decode(path)


def test_unreadable_files_are_named(tmp_path: Path, write_parquet: Write) -> None:
    good = write_parquet(tmp_path / "good.parquet", IMAGES, LABELS)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(good.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"cut\.parquet cannot be read as parquet"):
        _decode(cut)
    damaged = tmp_path / "damaged.parquet"
    content = bytearray(good.read_bytes())
    content[4:400] = bytes(396)
    damaged.write_bytes(content)
    with pytest.raises(DataError, match=r"damaged\.parquet"):
        _decode(damaged)
    with pytest.raises(DataError, match="does not exist"):
        _decode(tmp_path / "nowhere.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"contains no \*\.parquet"):
        _decode(tmp_path / "empty")


def test_an_empty_split_is_refused(tmp_path: Path, write_parquet: Write) -> None:
    train = write_parquet(tmp_path / "train.parquet", IMAGES, LABELS)
    test = write_parquet(tmp_path / "test.parquet", [], [])
    with pytest.raises(DataError, match=r"test\.parquet holds no images"):
        _decode(train, test)
