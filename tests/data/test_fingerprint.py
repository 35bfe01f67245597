from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bansweep.data.file_digests import file_digests
from bansweep.data.fingerprint import data_identity
from bansweep.data.known_sets import KNOWN_SETS
from bansweep.errors import DataError
from bansweep.spec.data import Cifar, Digits, ImageFolder, ParquetImages

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 5, 4, 3), dtype=np.uint8)


def test_planning_imports_nothing_heavy() -> None:
    script = """
import sys
from bansweep.data.fingerprint import data_identity
from bansweep.spec.data import Cifar, Digits
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
    train = write_parquet(tmp_path / "train.parquet", IMAGES, [0, 1, 0, 1])
    test = write_parquet(tmp_path / "test.parquet", IMAGES[:2], [0, 1])
    copy = tmp_path / "elsewhere" / "renamed.parquet"
    copy.parent.mkdir()
    shutil.copy(train, copy)

    def fingerprint(train: Path, test: Path, label: str = "label") -> str:
        return data_identity(ParquetImages(train=train, test=test, label=label), tmp_path / "cache").fingerprint

    original = fingerprint(train, test)
    assert fingerprint(copy, test) == original
    others = {fingerprint(test, train), fingerprint(train, test, "fine"), fingerprint(train, train)}
    write_parquet(train, IMAGES, [0, 1, 0, 0])
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


def test_digests_are_remembered_by_size_and_time(tmp_path: Path) -> None:
    path = _settled(tmp_path / "file", b"one", 1_000_000)
    first = file_digests([path], tmp_path / "cache")
    # Only a change that neither size nor time shows goes unseen: the proof that the file was not read again.
    assert file_digests([_settled(path, b"two", 1_000_000)], tmp_path / "cache") == first
    assert file_digests([_settled(path, b"two", 1_000_001)], tmp_path / "cache") != first


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
    first = file_digests([path], tmp_path / "cache")
    (memory,) = (tmp_path / "cache" / "digests").iterdir()
    for content in ("", "[]", '{"' + str(path) + '": 3}'):
        memory.write_text(content)
        assert file_digests([path], tmp_path / "cache") == first
    assert file_digests([path], path) == first
