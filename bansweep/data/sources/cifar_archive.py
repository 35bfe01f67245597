"""CIFAR as its authors publish it: a tar archive of pickled batches, read by torchvision.

A pickle runs code when it is read, so every file is compared with its published MD5 before: torchvision does that for
the batches and their description, and for what it downloads; here it is done for archives as well.
"""

from __future__ import annotations

import contextlib
import shutil
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torchvision.datasets import CIFAR10
from torchvision.datasets.utils import check_integrity, extract_archive

from bansweep.data.decoded import DecodedImages
from bansweep.errors import DataError

DOWNLOAD_TIMEOUT_S = 30.0


def decode_batches(root: Path, dataset: type[CIFAR10], source: str) -> DecodedImages:
    """The batches in `<root>/<dataset.base_folder>`. Raises DataError where a file is not as published."""
    try:
        train = dataset(root, train=True)
        test = dataset(root, train=False)
    except RuntimeError:
        raise DataError(
            f"{root / dataset.base_folder} is incomplete or damaged: {', '.join(_wrong_files(root, dataset))}",
            remedy=f"extract {dataset.filename} again",
        ) from None
    return DecodedImages(
        train_images_NHWC=np.asarray(train.data, np.uint8),
        train_labels_N=np.array(train.targets, np.int64),
        test_images_NHWC=np.asarray(test.data, np.uint8),
        test_labels_N=np.array(test.targets, np.int64),
        classes=tuple(train.classes),
        source=source,
    )


def decode_archive(archive: Path, dataset: type[CIFAR10], scratch: Path) -> DecodedImages:
    """The batches in an archive, extracted below `scratch` for the while. Raises DataError."""
    if not check_integrity(archive, dataset.tgz_md5):
        raise DataError(
            f"{archive} is damaged: its MD5 is not {dataset.tgz_md5}", remedy=f"fetch it again from {dataset.url}"
        )
    with _scratch_folder(scratch) as folder:
        try:
            extract_archive(archive, folder)
        except (OSError, tarfile.TarError) as error:
            raise DataError(
                f"{archive} cannot be extracted in {scratch}: {error}", remedy="check the space left there"
            ) from None
        return decode_batches(folder, dataset, str(archive))


def download_archive(dataset: type[CIFAR10], folder: Path) -> Path:
    """Fetch the published archive into `folder`; it appears there whole or not at all.

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


@contextlib.contextmanager
def _scratch_folder(parent: Path) -> Iterator[Path]:
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".cifar-") as folder:
        yield Path(folder)


def _wrong_files(root: Path, dataset: type[CIFAR10]) -> Iterator[str]:
    published = [*dataset.train_list, *dataset.test_list, [dataset.meta["filename"], dataset.meta["md5"]]]
    for name, md5 in published:
        if not check_integrity(root / dataset.base_folder / name, md5):
            yield str(name)
