"""CIFAR as its authors publish it: a tar archive of pickled batches, read without running pickles.

Reading a pickle calls the functions that it names. So each file is compared with its published MD5 first, and may then
name only the functions that rebuild a NumPy array; any other name is an error before anything is called. torchvision
has the digests and addresses.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import pickle
import shutil
import tarfile
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core.multiarray import _reconstruct
from torchvision.datasets import CIFAR10
from torchvision.datasets.utils import check_integrity

from bansweep.data.decoded import DecodedImages, Labels, Pixels
from bansweep.errors import DataError
from bansweep.regular_file import read_regular

DOWNLOAD_TIMEOUT_S = 30.0
_SHAPE_KHW = (3, 32, 32)
_LARGEST_FILE_BYTES = 256 << 20  # CIFAR-100's training set has 155 MB


def decode_archive(archive: Path, dataset: type[CIFAR10], scratch: Path) -> DecodedImages:
    """The batches in an archive, which is extracted below `scratch` temporarily. Raises DataError."""
    if not check_integrity(archive, dataset.tgz_md5):
        raise DataError(
            f"{archive} is damaged: its MD5 is not {dataset.tgz_md5}", remedy=f"fetch it again from {dataset.url}"
        )
    with _scratch_folder(scratch) as folder:
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
        except tarfile.FilterError as error:
            raise DataError(
                f"{archive} would write where it should not: {error}", remedy=f"fetch it again from {dataset.url}"
            ) from None
        except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
            raise DataError(
                f"{archive} cannot be extracted in {scratch}: {error}", remedy="check the space left there"
            ) from None
        return decode_batches(folder, dataset, str(archive))


def download_archive(dataset: type[CIFAR10], folder: Path) -> Path:
    """Fetch the published archive into `folder`, atomically.

    Raises OSError or HTTPException where the network or the disk fails, and DataError where something else was served.
    """
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / str(dataset.filename)
    with _scratch_folder(folder) as scratch:
        partial = scratch / dataset.filename
        with urllib.request.urlopen(dataset.url, timeout=DOWNLOAD_TIMEOUT_S) as response, partial.open("wb") as file:
            shutil.copyfileobj(response, file)
        if not check_integrity(partial, dataset.tgz_md5):
            raise DataError(
                f"{dataset.url} served a file whose MD5 is not {dataset.tgz_md5}",
                remedy=f"fetch {dataset.filename} elsewhere and put it into {folder}",
            )
        partial.replace(archive)
    return archive


def decode_batches(root: Path, dataset: type[CIFAR10], source: str) -> DecodedImages:
    """The batches in `<root>/<dataset.base_folder>`. Raises DataError where a file is not as published."""
    folder = root / dataset.base_folder
    files = _published_files(folder, dataset)
    description = str(dataset.meta["filename"])
    names = _dictionary(folder / description, files[description]).get(dataset.meta["key"])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _unusable(folder / description, "it names no classes")
    splits = [
        [_batch(folder / name, files.pop(name), len(names)) for name, _ in batches]
        for batches in (dataset.train_list, dataset.test_list)
    ]
    (train_images_NHWC, train_labels_N), (test_images_NHWC, test_labels_N) = map(_joined, splits)
    return DecodedImages(
        train_images_NHWC=train_images_NHWC,
        train_labels_N=train_labels_N,
        test_images_NHWC=test_images_NHWC,
        test_labels_N=test_labels_N,
        classes=tuple(names),
        source=source,
    )


@contextlib.contextmanager
def _scratch_folder(parent: Path) -> Iterator[Path]:
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".cifar-") as folder:
        yield Path(folder)


def _published_files(folder: Path, dataset: type[CIFAR10]) -> dict[str, bytes]:
    """The content of each file by its name, exactly the bytes whose digests were compared. Raises DataError."""
    files: dict[str, bytes] = {}
    wrong: list[str] = []
    for name, md5 in (*dataset.train_list, *dataset.test_list, (dataset.meta["filename"], dataset.meta["md5"])):
        try:
            files[name] = read_regular(folder / name, _LARGEST_FILE_BYTES)
        except OSError:
            wrong.append(name)
        else:
            if hashlib.md5(files[name], usedforsecurity=False).hexdigest() != md5:
                wrong.append(name)
    if wrong:
        raise DataError(
            f"{folder} is incomplete or damaged: {', '.join(wrong)}", remedy=f"extract {dataset.filename} again"
        )
    return files


def _dictionary(path: Path, encoded: bytes) -> dict[str, Any]:
    try:
        content = load_plain_pickle(encoded)
    except pickle.UnpicklingError as error:
        raise _unusable(path, str(error)) from None
    if not isinstance(content, dict):
        raise _unusable(path, "it holds no dictionary")
    return content


def _batch(path: Path, encoded: bytes, classes: int) -> tuple[Pixels, Labels]:
    batch = _dictionary(path, encoded)
    planes, labels = batch.get("data"), batch.get("labels", batch.get("fine_labels"))
    if not isinstance(planes, np.ndarray) or planes.dtype != np.uint8 or planes.shape[1:] != (prod(_SHAPE_KHW),):
        raise _unusable(path, f"its `data` are not rows of {prod(_SHAPE_KHW):,} bytes")
    if not isinstance(labels, list) or len(labels) != len(planes):
        raise _unusable(path, "it has not one label for each image")
    if not all(isinstance(label, int) and 0 <= label < classes for label in labels):
        raise _unusable(path, f"a label is not in 0..{classes - 1}")
    return planes.reshape(-1, *_SHAPE_KHW).transpose(0, 2, 3, 1), np.array(labels, np.int64)


def _joined(batches: Sequence[tuple[Pixels, Labels]]) -> tuple[Pixels, Labels]:
    images, labels = zip(*batches, strict=True)
    return np.ascontiguousarray(np.concatenate(images)), np.concatenate(labels)


def _unusable(path: Path, problem: str) -> DataError:
    return DataError(f"{path} is not as its authors publish it: {problem}", remedy="remove it, and fetch it again")


def load_plain_pickle(encoded: bytes) -> Any:
    """The value in a pickle of Python 2 or 3; Python 2's strings are read as Latin-1.

    Raises UnpicklingError where it names anything but `_ACCEPTED`, is cut short or damaged.
    """
    try:
        return _PlainUnpickler(io.BytesIO(encoded), encoding="latin1").load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # damaged pickles raise any type of exception
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from None


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes for Python 2."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError(f"the encoding {encoding!r} is not accepted")
    return text.encode("latin1")


def _plain_array(kind: object, shape: tuple[int, ...], dtype: Any) -> object:
    """An array to be filled by the pickle; of no subclass."""
    if kind is not np.ndarray:
        raise pickle.UnpicklingError(f"{kind!r} is no plain array")
    return _reconstruct(np.ndarray, shape, dtype)


_ACCEPTED: Mapping[tuple[str, str], Callable[..., object]] = {
    ("numpy.core.multiarray", "_reconstruct"): _plain_array,
    ("numpy._core.multiarray", "_reconstruct"): _plain_array,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1_bytes,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        try:
            return _ACCEPTED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module_name}.{global_name}, which is no plain data") from None
