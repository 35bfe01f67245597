from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bansweep.config.data import Cifar, Digits, ImageFolder, ParquetImages, PennTreebank, TextFiles
from bansweep.data.cache import SETTLED_NS, file_digest, file_digests
from bansweep.data.decoded import Pixels
from bansweep.data.descriptions import PreparedImages, PreparedText, read_description
from bansweep.data.fingerprint import WholeLimits, data_identity, whole_limits
from bansweep.data.known_sets import KNOWN_SETS
from bansweep.data.prepare import prepare
from bansweep.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 5, 4, 3), dtype=np.uint8)


def test_planning_imports_nothing_heavy() -> None:
    script = """
import sys
from bansweep.data.fingerprint import data_identity
from bansweep.config.data import Cifar, Digits
data_identity(Cifar(kind="cifar100")), data_identity(Digits())
heavy = {"torch", "torchvision", "numpy", "pyarrow", "sklearn", "PIL", "ray", "mlflow", "yaml"}
print(sorted(heavy & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_known_sets_need_no_files(tmp_path: Path) -> None:
    one = data_identity(Cifar(kind="cifar10", root=tmp_path / "here", limit=100, validation=10, test_limit=7), tmp_path)
    other = data_identity(Cifar(kind="cifar10", root=tmp_path / "there", limit=100, validation=10, test_limit=7))
    assert one == other
    assert (one.kind, one.fingerprint) == ("cifar10", KNOWN_SETS["cifar10"].fingerprint)
    assert (one.limit, one.validation, one.test_limit) == (100, 10, 7)
    assert len({known.fingerprint for known in KNOWN_SETS.values()}) == 3
    assert list(tmp_path.iterdir()) == []


def test_too_few_images_are_noticed_before_anything_is_decoded() -> None:
    with pytest.raises(DataError, match=r"limit: 1,400 and validation: 100 .* 1,437 training images of digits"):
        data_identity(Digits(limit=1_400, validation=100))


def test_parquet_is_known_by_bytes_and_columns(tmp_path: Path, write_parquet: Callable[..., Path]) -> None:
    def write(name: str, images: Pixels, labels: list[int]) -> Path:
        """With a second column of labels, `fine`."""
        path = write_parquet(tmp_path / name, images, labels)
        pq.write_table(pq.read_table(path).append_column("fine", pa.array(labels)), path)
        return path

    train = write("train.parquet", IMAGES, [0, 1, 0, 1])
    test = write("test.parquet", IMAGES[:2], [0, 1])
    copy = tmp_path / "elsewhere" / "renamed.parquet"
    copy.parent.mkdir()
    shutil.copy(train, copy)

    def fingerprint(train: Path, test: Path, label: str = "label") -> str:
        return data_identity(ParquetImages(train=train, test=test, label=label), tmp_path / "cache").fingerprint

    original = fingerprint(train, test)
    assert fingerprint(copy, test) == original
    others = {fingerprint(test, train), fingerprint(train, test, "fine"), fingerprint(train, train)}
    write("train.parquet", IMAGES, [0, 1, 0, 0])
    others.add(fingerprint(train, test))
    assert len(others | {original}) == 5


def test_folders_are_known_by_names_and_bytes(image_folder: Path, tmp_path: Path) -> None:
    def fingerprint(root: Path) -> str:
        return data_identity(ImageFolder(root=root), tmp_path / "cache").fingerprint

    original = fingerprint(image_folder)
    copy = tmp_path / "copy"
    shutil.copytree(image_folder, copy)
    assert fingerprint(copy) == original
    (copy / "train" / "cat").rename(copy / "train" / "cow")
    (copy / "test" / "cat").rename(copy / "test" / "cow")
    renamed = fingerprint(copy)
    (copy / "train" / "dog" / "0.png").write_bytes(b"changed")
    assert len({original, renamed, fingerprint(copy)}) == 3


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.parquet does not exist"):
        data_identity(ParquetImages(train=tmp_path / "gone.parquet", test=tmp_path / "gone.parquet"), tmp_path)
    with pytest.raises(DataError, match="/train does not exist"):
        data_identity(ImageFolder(root=tmp_path), tmp_path)


def _settled(path: Path, content: bytes, modified_s: int) -> Path:
    path.write_bytes(content)
    os.utime(path, (modified_s, modified_s))
    return path


def _settle(path: Path) -> None:
    """Wait until the file's change time, which only the kernel sets, is old enough for its digest to be remembered."""
    while time.time_ns() - path.stat().st_ctime_ns <= SETTLED_NS:
        time.sleep(0.05)


class _Counted:
    """`file_digest`, with the paths that it read."""

    __name__ = "counted"

    def __init__(self) -> None:
        self.read: list[Path] = []

    def __call__(self, path: Path) -> str:
        self.read.append(path)
        return file_digest(path)


def test_an_unchanged_file_is_read_once(tmp_path: Path) -> None:
    path, digest = _settled(tmp_path / "file", b"one", 1_000_000), _Counted()
    _settle(path)
    first = file_digests([path], tmp_path / "cache", digest)
    assert file_digests([path], tmp_path / "cache", digest) == first
    assert digest.read == [path]


@pytest.mark.parametrize("how", ["written in place", "renamed over", "swapped with another file"])
def test_exchanged_content_is_seen_behind_the_same_size_and_time(how: str, tmp_path: Path) -> None:
    path, other = (_settled(tmp_path / name, name.encode(), 1_000_000) for name in ("one", "two"))
    _settle(other)
    first = file_digests([path], tmp_path / "cache")
    before = path.stat()
    match how:
        case "written in place":
            _settled(path, b"two", 1_000_000)
        case "renamed over":
            other.rename(path)
        case "swapped with another file":
            path.rename(tmp_path / "aside")
            other.rename(path)
            (tmp_path / "aside").rename(other)
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert file_digests([path], tmp_path / "cache") == {path: hashlib.sha256(b"two").hexdigest()} != first


def test_another_file_of_equal_size_and_times_is_seen_by_its_inode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File systems with coarse times, or a clock that was set back, can give two files the same ones."""
    from bansweep.data import cache as module

    path, digest = _settled(tmp_path / "file", b"one", 1_000_000), _Counted()
    _settle(path)
    file_digests([path], tmp_path / "cache", digest)
    state = module._state(path)
    monkeypatch.setattr(module, "_state", lambda _: state._replace(inode=state.inode + 1))
    file_digests([path], tmp_path / "cache", digest)
    assert digest.read == [path, path]


def test_what_a_former_version_remembered_is_not_used(tmp_path: Path) -> None:
    """It knew size and modification time only, under a key without a version."""
    path = _settled(tmp_path / "file", b"one", 1_000_000)
    _settle(path)
    status = path.stat()
    memory = tmp_path / "cache" / "digests"
    memory.mkdir(parents=True)
    former = [status.st_size, status.st_mtime_ns, "0" * 64]
    keys = [str(path), f"file_digest\n{path}", f"1\nfile_digest\n{path}"]
    for key in keys:
        name = hashlib.sha256(key.encode()).hexdigest()[:16]
        (memory / f"{name}.json").write_text(json.dumps({str(path): former}))
    assert file_digests([path], tmp_path / "cache") == {path: hashlib.sha256(b"one").hexdigest()}


def test_a_change_while_a_file_is_read_is_seen_afterwards(tmp_path: Path) -> None:
    path = _settled(tmp_path / "file", b"one", 1_000_000)
    _settle(path)

    def changed_while_read(path: Path) -> str:
        digest = file_digest(path)
        _settled(path, b"two", 1_000_000)
        return digest

    file_digests([path], tmp_path / "cache", changed_while_read, name="same")
    assert file_digests([path], tmp_path / "cache", name="same") == {path: hashlib.sha256(b"two").hexdigest()}


def test_files_that_have_just_changed_are_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    status = path.stat()
    first = file_digests([path], tmp_path / "cache")
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file_digests([path], tmp_path / "cache") != first


def test_a_damaged_or_unwritable_memory_only_costs_time(tmp_path: Path) -> None:
    path = _settled(tmp_path / "file", b"one", 1_000_000)
    _settle(path)
    first = file_digests([path], tmp_path / "cache")
    (memory,) = (tmp_path / "cache" / "digests").iterdir()
    for content in ("", "[]", '{"' + str(path) + '": 3}', '{"' + str(path) + '": []}'):
        memory.write_text(content)
        assert file_digests([path], tmp_path / "cache") == first
    assert file_digests([path], path) == first


def test_the_limits_of_published_sets(tmp_path: Path) -> None:
    assert whole_limits(Digits(limit=5, validation=37), tmp_path) == WholeLimits(1400, 360)
    assert whole_limits(Cifar(kind="cifar10"), tmp_path) == WholeLimits(50_000, 10_000)
    assert whole_limits(PennTreebank(), tmp_path) == WholeLimits(929_589, None)


@pytest.mark.parametrize(("test_text", "test_limit"), [("a a\n", 3), ("a a a\n", None)])
def test_one_limit_for_two_texts_takes_both_whole_where_they_are_equally_long(
    test_text: str, test_limit: int | None, tmp_path: Path, write_text: Callable[..., TextFiles]
) -> None:
    spec = write_text("a b a b\n", "a b\n", test_text)
    assert whole_limits(spec, tmp_path / "cache") == WholeLimits(5, test_limit)
    assert read_description(prepare(spec, tmp_path / "cache"), PreparedText).tokens == (5, 3, len(test_text) // 2 + 1)


def test_images_are_counted_as_they_are_prepared(
    tmp_path: Path, image_folder: Path, write_parquet: Callable[..., Path]
) -> None:
    images = [np.full((4, 4, 1), level, np.uint8) for level in range(5)]
    train = [write_parquet(tmp_path / "train" / f"{part}.parquet", images[part:], range(5 - part)) for part in (0, 2)]
    test = write_parquet(tmp_path / "test.parquet", images[:2], [0, 1])
    for spec in (
        ParquetImages(train=train[0].parent, test=test, validation=1),
        ImageFolder(root=image_folder, validation=2),
    ):
        meta = read_description(prepare(spec, tmp_path / "cache"), PreparedImages)
        expected = WholeLimits(meta.training_images - spec.validation, meta.test_images)
        assert whole_limits(spec, tmp_path / "elsewhere") == expected
