"""The forms in which CIFAR comes. Its files have published digests, so stand-ins carry digests of their own."""

from __future__ import annotations

import hashlib
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from bansweep.config.data import Cifar
from bansweep.data.decoded import in_canonical_order
from bansweep.data.prepare import decode_images
from bansweep.data.sources.cifar import require_at_root
from bansweep.data.sources.cifar_archive import decode_archive, decode_batches, download_archive
from bansweep.data.sources.parquet import decode_parquet
from bansweep.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2])


class Bomb:
    """Unpickling this writes a file, as unpickling anything may."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def _write_batches(root: Path) -> type[CIFAR10]:
    """Six training images in two batches and three test images, in torchvision's layout; the class that reads them."""
    folder = root / CIFAR10.base_folder
    folder.mkdir(parents=True)

    def batch(name: str, part: slice) -> list[str]:
        planes = IMAGES[part].transpose(0, 3, 1, 2).reshape(-1, 3072)
        return write(name, {"data": planes, "labels": LABELS[part].tolist()})

    def write(name: str, content: Any) -> list[str]:
        encoded = pickle.dumps(content, protocol=2)
        (folder / name).write_bytes(encoded)
        return [name, hashlib.md5(encoded).hexdigest()]

    name, md5 = write("batches.meta", {"label_names": ["ant", "bee", "cow"]})
    batches = [batch("data_batch_1", slice(0, 4)), batch("data_batch_2", slice(4, 6))]

    class TinyCifar(CIFAR10):
        train_list = batches
        test_list = [batch("test_batch", slice(6, 9))]  # noqa: RUF012 (torchvision's own form)
        meta = {"filename": name, "key": "label_names", "md5": md5}  # noqa: RUF012

    return TinyCifar


def _write_archive(root: Path, dataset: type[CIFAR10]) -> Path:
    archive = root / dataset.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(root / dataset.base_folder, dataset.base_folder)
    dataset.tgz_md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    return archive


def test_parquet_batches_and_archive_give_the_same_set(tmp_path: Path, write_parquet: Callable[..., Path]) -> None:
    dataset = _write_batches(tmp_path)
    shuffled = [5, 0, 3, 2, 4, 1]
    train = write_parquet(
        tmp_path / "train.parquet", IMAGES[shuffled], LABELS[shuffled].tolist(), metadata={"classes": "ant,bee,cow"}
    )
    # The test file numbers the classes in another order.
    renumbered = [[1, 2, 0][label] for label in LABELS[6:][::-1]]
    test = write_parquet(tmp_path / "test.parquet", IMAGES[6:][::-1], renumbered, metadata={"classes": "cow,ant,bee"})
    forms = [
        decode_batches(tmp_path, dataset, "batches"),
        decode_archive(_write_archive(tmp_path, dataset), dataset, tmp_path / "scratch"),
        decode_parquet([train], [test], image_column="img", label_column="label"),
    ]
    first, *others = [in_canonical_order(form) for form in forms]
    assert len(first.train_labels_N) == 6
    for other in others:
        assert other.classes == first.classes == ("ant", "bee", "cow")
        for field in ("train_images_NHWC", "train_labels_N", "test_images_NHWC", "test_labels_N"):
            assert np.array_equal(getattr(first, field), getattr(other, field))
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("name", ["data_batch_2", "test_batch", "batches.meta"])
def test_a_changed_pickle_is_named_and_never_read(name: str, tmp_path: Path) -> None:
    dataset = _write_batches(tmp_path)
    (tmp_path / dataset.base_folder / name).write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    with pytest.raises(DataError, match=f"incomplete or damaged: {name}"):
        decode_batches(tmp_path, dataset, "batches")
    assert not (tmp_path / "exploded").exists()


def test_a_changed_archive_is_not_extracted(tmp_path: Path) -> None:
    dataset = _write_batches(tmp_path)
    archive = _write_archive(tmp_path, dataset)
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(DataError, match="MD5"):
        decode_archive(archive, dataset, tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()


def test_a_download_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    dataset = _write_batches(tmp_path)
    dataset.url = _write_archive(tmp_path, dataset).as_uri()
    archive = download_archive(dataset, tmp_path / "downloads")
    assert len(decode_archive(archive, dataset, tmp_path).train_labels_N) == 6

    dataset.tgz_md5 = "0" * 32
    with pytest.raises(DataError, match="served a file"):
        download_archive(dataset, tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []


def test_without_files_or_network_it_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANSWEEP_DATA", str(tmp_path / "sets"))
    monkeypatch.setattr(CIFAR10, "url", (tmp_path / "unplugged").as_uri())
    with pytest.raises(DataError) as caught:
        decode_images(Cifar(kind="cifar10"), tmp_path / "cache")
    message = str(caught.value)
    for part in ("sets", "downloads", "could not be fetched", "--set data.root", "BANSWEEP_DATA", "cifar10-train"):
        assert part in message


def test_a_named_root_is_not_replaced_by_a_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = _write_batches(tmp_path)
    monkeypatch.setattr(CIFAR10, "url", _write_archive(tmp_path, dataset).as_uri())
    with pytest.raises(DataError, match=r"cifar10 is not in .*mistyped"):
        decode_images(Cifar(kind="cifar10", root=tmp_path / "mistyped"), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "layout", ["cifar10-{}.parquet", "plain_text/{}-00000-of-00001.parquet", "cifar10/plain_text/{}-0.parquet"]
)
def test_another_set_under_the_name_is_refused(layout: str, tmp_path: Path, write_parquet: Callable[..., Path]) -> None:
    write_parquet(tmp_path / layout.format("train"), IMAGES[:6], LABELS[:6].tolist())
    write_parquet(tmp_path / layout.format("test"), IMAGES[6:], LABELS[6:].tolist())
    with pytest.raises(DataError) as caught:
        decode_images(Cifar(kind="cifar10", root=tmp_path), tmp_path / "cache")
    assert layout.format("train") in caught.value.cause
    assert "6 training and 3 test images instead of 50,000 and 10,000" in caught.value.cause


def test_cifar100_is_labelled_finely(tmp_path: Path, write_parquet: Callable[..., Path]) -> None:
    for split in ("train", "test"):
        write_parquet(tmp_path / f"cifar100/{split}-0.parquet", IMAGES[:3], [0, 1, 2], label="coarse_label")
    with pytest.raises(DataError, match="no column 'fine_label'"):
        decode_images(Cifar(kind="cifar100", root=tmp_path), tmp_path / "cache")


def test_a_named_root_has_to_hold_the_set(tmp_path: Path) -> None:
    spec = Cifar(kind="cifar10", root=tmp_path)
    with pytest.raises(DataError, match=r"none is no folder"):
        require_at_root(Cifar(kind="cifar10", root=tmp_path / "none"))
    (tmp_path / "cifar10-train.parquet").touch()
    with pytest.raises(DataError, match=r"cifar10 is not in"):
        require_at_root(spec)
    (tmp_path / "cifar10-test.parquet").touch()
    require_at_root(spec)
    with pytest.raises(DataError, match=r"cifar100 is not in"):
        require_at_root(Cifar(kind="cifar100", root=tmp_path))


@pytest.mark.parametrize("name", [CIFAR10.base_folder, CIFAR10.filename])
def test_a_named_root_may_hold_the_authors_files(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir() if name == CIFAR10.base_folder else (tmp_path / name).touch()
    require_at_root(Cifar(kind="cifar10", root=tmp_path))
