"""CIFAR's pickled batches and archives with the right digest and the wrong content: refused, and never run."""

from __future__ import annotations

import hashlib
import io
import pickle
import pickletools
import tarfile
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from bansweep.data.sources.cifar_archive import decode_archive, decode_batches, load_plain_pickle
from bansweep.errors import DataError

PLANES = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)
NAMES = ["ant", "bee"]
LABELS = [0, 1, 0, 1]


class Bomb:
    """Calls `function` when it is unpickled."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.called = (function, arguments)

    def __reduce__(self) -> Any:
        return self.called


def _set_of(root: Path, *, batch: Any = None, meta: Any = None) -> type[CIFAR10]:
    """A set in torchvision's layout whose digests fit whatever it holds; values or bytes."""
    folder = root / CIFAR10.base_folder
    folder.mkdir(parents=True)

    def written(name: str, content: Any) -> list[str]:
        encoded = content if isinstance(content, bytes) else pickle.dumps(content, protocol=2)
        (folder / name).write_bytes(encoded)
        return [name, hashlib.md5(encoded).hexdigest()]

    good = {"data": PLANES, "labels": LABELS}
    train = [written("data_batch_1", good), written("data_batch_2", good if batch is None else batch)]
    test = [written("test_batch", good)]
    name, md5 = written("batches.meta", {"label_names": NAMES} if meta is None else meta)

    class Published(CIFAR10):
        train_list = train
        test_list = test
        meta = {"filename": name, "key": "label_names", "md5": md5}  # noqa: RUF012 (torchvision's own form)

    return Published


def _archive_of(root: Path, dataset: type[CIFAR10], *members: tarfile.TarInfo) -> Path:
    archive = root / dataset.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(root / dataset.base_folder, dataset.base_folder)
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    dataset.tgz_md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    return archive


@pytest.mark.parametrize("protocol", range(5))
def test_plain_data_come_back(protocol: int) -> None:
    value = {"data": PLANES, "labels": LABELS, "batch": b"training \xe9", "name": "é", "half": 0.5, "more": [(1, None)]}
    read = load_plain_pickle(pickle.dumps(value, protocol))
    assert np.array_equal(read.pop("data"), PLANES)
    assert read == {key: part for key, part in value.items() if key != "data"}


def test_a_pickle_of_python_2_comes_back() -> None:
    # As Python 2 wrote {"data": uint8 array, "labels": [6]}: byte strings, and NumPy's old module name.
    encoded = (
        b"\x80\x02}q\x01(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x01K\x03\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tb\x89U\x03\x01\xe9\xfftbU\x06labels]q\x02K\x06au."
    )
    assert any(opcode.name == "SHORT_BINSTRING" for opcode, _, _ in pickletools.genops(encoded))
    read = load_plain_pickle(encoded)
    assert read["labels"] == [6]
    assert read["data"].dtype == np.uint8
    assert read["data"].tolist() == [[1, 0xE9, 0xFF]]


@pytest.mark.parametrize(
    "value",
    [
        OrderedDict(a=1),
        {1, 2},
        1j,
        Path("x"),
        partial(print),
        print,
        np.float64(1),
        np.ma.array([1]),
        np.random.default_rng(0),
        Bomb(eval, "1"),
        Bomb(getattr, [], "append"),
        Bomb(__import__, "os"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_is_no_plain_data_is_refused(value: Any) -> None:
    with pytest.raises(pickle.UnpicklingError):
        load_plain_pickle(pickle.dumps({"data": value}, protocol=2))


@pytest.mark.parametrize(
    "encoded",
    [
        b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR.",
        b"cnumpy\nload\n(X\x01\x00\x00\x00xtR.",
        b"cnumpy\nndarray.tofile\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.",
        b"cos\nsystem\n(Vtrue\ntR.",
        b"\x80\x02\x82\x01.",
        b"(dp0\n",
        b"",
        b".",
        b"\xff" * 50,
        b"]" * 10 + b"e.",
        b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f",
    ],
)
def test_hostile_and_damaged_pickles_are_refused(encoded: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError):
        load_plain_pickle(encoded)


def test_a_bomb_with_the_right_digest_does_not_explode(tmp_path: Path) -> None:
    exploded = tmp_path / "exploded"
    bomb = {"data": PLANES, "labels": LABELS, "more": Bomb(Path.touch, exploded)}
    pickle.loads(pickle.dumps(bomb))
    assert exploded.exists(), "it is one"
    exploded.unlink()
    for number, part in enumerate(("batch", "meta")):
        root = tmp_path / str(number)
        with pytest.raises(DataError, match=r"(data_batch_2|batches\.meta) is not as .*: it names ") as caught:
            decode_batches(root, _set_of(root, **{part: bomb}), "batches")
        assert caught.value.remedy
    assert not exploded.exists()


@pytest.mark.parametrize(
    ("batch", "problem"),
    [
        ({"data": PLANES}, "not one label for each image"),
        ({"labels": LABELS}, "not rows of 3,072 bytes"),
        ({"data": PLANES[:, :-1], "labels": LABELS}, "not rows of 3,072 bytes"),
        ({"data": PLANES.astype(np.int64), "labels": LABELS}, "not rows of 3,072 bytes"),
        ({"data": PLANES.astype(object), "labels": LABELS}, "not rows of 3,072 bytes"),
        ({"data": PLANES.tolist(), "labels": LABELS}, "not rows of 3,072 bytes"),
        ({"data": PLANES, "labels": LABELS[:-1]}, "not one label for each image"),
        ({"data": PLANES, "labels": [0, 1, 0, 2]}, r"a label is not in 0\.\.1"),
        ({"data": PLANES, "labels": [0, 1, 0, -1]}, r"a label is not in 0\.\.1"),
        ({"data": PLANES, "labels": ["0"] * 4}, r"a label is not in 0\.\.1"),
        ([PLANES, LABELS], "holds no dictionary"),
        (pickle.dumps({"data": PLANES, "labels": LABELS})[:-9], "truncated|ran out"),
    ],
)
def test_batches_that_hold_something_else_are_named(batch: Any, problem: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"data_batch_2 is not as its authors publish it: .*({problem})") as caught:
        decode_batches(tmp_path, _set_of(tmp_path, batch=batch), "batches")
    assert caught.value.remedy


@pytest.mark.parametrize("meta", [{}, {"label_names": "ab"}, {"label_names": [1, 2]}, []])
def test_a_description_without_classes_is_named(meta: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"batches\.meta is not as its authors publish it"):
        decode_batches(tmp_path, _set_of(tmp_path, meta=meta), "batches")


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, target, 3 if kind == tarfile.REGTYPE else 0
    return member


@pytest.mark.parametrize(
    "member",
    [
        _member("../escaped"),
        _member(f"{CIFAR10.base_folder}/../../escaped"),
        _member("link", tarfile.SYMTYPE, "../../escaped"),
        _member("link", tarfile.SYMTYPE, "/etc/passwd"),
        _member("link", tarfile.LNKTYPE, "../../escaped"),
        _member("device", tarfile.CHRTYPE),
        _member("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda member: f"{member.name}-{member.type!r}",
)
def test_an_archive_writes_nothing_outside(member: tarfile.TarInfo, tmp_path: Path) -> None:
    dataset = _set_of(tmp_path / "set")
    archive = _archive_of(tmp_path / "set", dataset, member)
    scratch = tmp_path / "scratch"
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz would write where it should not") as caught:
        decode_archive(archive, dataset, scratch)
    assert dataset.url in caught.value.remedy
    assert list(scratch.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scratch", "set"]


def test_absolute_names_in_an_archive_stay_inside(tmp_path: Path) -> None:
    dataset = _set_of(tmp_path / "set")
    outside = tmp_path / "outside"
    archive = _archive_of(tmp_path / "set", dataset, _member(str(outside)))
    assert len(decode_archive(archive, dataset, tmp_path / "scratch").train_labels_N) == 8
    assert not outside.exists()


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00" + bytes(40)])
def test_an_archive_that_is_none_is_named(content: bytes, tmp_path: Path) -> None:
    dataset = _set_of(tmp_path)
    archive = tmp_path / dataset.filename
    archive.write_bytes(content)
    dataset.tgz_md5 = hashlib.md5(content).hexdigest()
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz cannot be extracted") as caught:
        decode_archive(archive, dataset, tmp_path / "scratch")
    assert caught.value.remedy


def test_an_archive_without_the_batches_says_which_are_missing(tmp_path: Path) -> None:
    dataset = _set_of(tmp_path)
    (tmp_path / dataset.base_folder / "data_batch_1").unlink()
    archive = _archive_of(tmp_path, dataset)
    with pytest.raises(DataError, match=r"incomplete or damaged: data_batch_1"):
        decode_archive(archive, dataset, tmp_path / "scratch")
