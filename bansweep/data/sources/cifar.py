"""CIFAR-10 and CIFAR-100 in any of their forms: the hub's parquet files, torchvision's files, or a download."""

from __future__ import annotations

from http.client import HTTPException
from pathlib import Path

from torchvision.datasets import CIFAR10, CIFAR100

from bansweep.config.data import Cifar
from bansweep.data.cache import data_folder, downloads_folder
from bansweep.data.decoded import DecodedImages
from bansweep.data.sources.cifar_archive import decode_archive, decode_batches, download_archive
from bansweep.data.sources.parquet import decode_parquet
from bansweep.errors import DataError

DATASETS: dict[str, type[CIFAR10]] = {"cifar10": CIFAR10, "cifar100": CIFAR100}
LABEL_COLUMNS = {"cifar10": "label", "cifar100": "fine_label"}
# Where a split lies below a root: as single files, or in a copy of the hub's repository.
PARQUET_PATTERNS = {
    "cifar10": ("cifar10-{split}.parquet", "plain_text/{split}-*.parquet", "cifar10/plain_text/{split}-*.parquet"),
    "cifar100": ("cifar100-{split}.parquet", "cifar100/{split}-*.parquet", "cifar100/cifar100/{split}-*.parquet"),
}


def decode_cifar(spec: Cifar, cache: Path) -> DecodedImages:
    """The set below `spec.root`; without one, below $BANSWEEP_DATA or the downloads in `cache`, or from its authors.

    A given root is only read, and nothing is downloaded in its place. Raises DataError, with the places that were
    searched, where the set is not found.
    """
    downloads = downloads_folder(cache)
    if spec.root is not None:
        places = [spec.root.expanduser()]
    else:
        places = [place for place in (data_folder(), downloads) if place is not None]
    dataset = DATASETS[spec.kind]
    for place in places:
        decoded = _decode_below(place, spec.kind, dataset, downloads)
        if decoded is not None:
            return decoded
    if spec.root is not None:
        raise _missing(spec, places, "")
    try:
        archive = download_archive(dataset, downloads)
    except (OSError, HTTPException) as error:
        raise _missing(spec, places, f", and {dataset.url} could not be fetched ({error})") from None
    return decode_archive(archive, dataset, downloads)


def require_at_root(spec: Cifar) -> None:
    """Raises DataError where `spec.root` does not hold the set in any form. Nothing is decoded."""
    if spec.root is None:
        return
    root, dataset = spec.root.expanduser(), DATASETS[spec.kind]
    if not root.is_dir():
        raise DataError(f"{root} is no folder, so {spec.kind} is not there", remedy="--root names an existing folder")
    original = (root / dataset.base_folder).is_dir() or (root / dataset.filename).is_file()
    if not original and _parquet_files(root, spec.kind) is None:
        raise _missing(spec, [root], "")


def _decode_below(root: Path, kind: str, dataset: type[CIFAR10], scratch: Path) -> DecodedImages | None:
    parquet = _parquet_files(root, kind)
    if parquet is not None:
        train, test = parquet
        return decode_parquet(train, test, image_column="img", label_column=LABEL_COLUMNS[kind])
    if (root / dataset.base_folder).is_dir():
        return decode_batches(root, dataset, str(root / dataset.base_folder))
    if (root / dataset.filename).is_file():
        return decode_archive(root / dataset.filename, dataset, scratch)
    return None


def _parquet_files(root: Path, kind: str) -> tuple[list[Path], list[Path]] | None:
    """The files of the training and of the test set; None where either is missing."""
    for pattern in PARQUET_PATTERNS[kind]:
        train, test = (sorted(root.glob(pattern.format(split=split))) for split in ("train", "test"))
        if train and test:
            return train, test
    return None


def _missing(spec: Cifar, places: list[Path], attempt: str) -> DataError:
    dataset = DATASETS[spec.kind]
    return DataError(
        f"{spec.kind} is not in {' or '.join(str(place) for place in places)}{attempt}",
        remedy=(
            f"name the folder that holds {spec.kind}-train.parquet and {spec.kind}-test.parquet, "
            f"{PARQUET_PATTERNS[spec.kind][1].format(split='train')} (the hub's files), {dataset.base_folder}/ or "
            f"{dataset.filename}: --set data.root=FOLDER, or BANSWEEP_DATA=FOLDER"
        ),
    )
