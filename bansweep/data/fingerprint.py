"""What a data set is, told without decoding it: `bansweep plan` needs no image, nor a package that reads one.

A known set has a pinned fingerprint, the digest of its pixels and labels in canonical order (`canonical.py`); it is
checked when a source is decoded. Any other set is known by the bytes of its files.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from bansweep.data.cache import cache_folder
from bansweep.data.file_digests import file_digests
from bansweep.data.source_files import image_folder_files, parquet_files
from bansweep.data.splits import split_ranges
from bansweep.plan.generation import DataIdentity
from bansweep.spec.data import Cifar, DataSpec, Digits, ImageFolder, ParquetImages


@dataclass(frozen=True)
class KnownSet:
    """A published data set. `fingerprint` is `canonical.content_fingerprint` of the decoded images."""

    title: str
    fingerprint: str
    training_images: int
    test_images: int


KNOWN_SETS = {
    "digits": KnownSet(
        "scikit-learn's digits", "9e6302438ed11c94d94a9593ec24dc9213b5b11f9f9ed76072f210b6fedcb9c4", 1_437, 360
    ),
    "cifar10": KnownSet("CIFAR-10", "e97f196120aad13a9d4ea9bfc9dcd81695de07015f92d3f1c6e911bb6e30ab56", 50_000, 10_000),
    "cifar100": KnownSet(
        "CIFAR-100", "bb7db61b47e73357f22196af12080d231d11ac370b341987301886ff72f60884", 50_000, 10_000
    ),
}


def data_identity(spec: DataSpec, cache: Path | None = None) -> DataIdentity:
    """The identity of what `spec` names, for generation ids.

    `cache` (default: `cache_folder()`) remembers the digests of parquet and image files. Raises DataError where such
    files are missing, or where a known set has too few images for the subsets that `spec` asks for.
    """
    return DataIdentity(
        kind=spec.kind,
        fingerprint=source_fingerprint(spec, cache or cache_folder()),
        validation=spec.validation,
        limit=spec.limit,
        test_limit=spec.test_limit,
    )


def source_fingerprint(spec: DataSpec, cache: Path) -> str:
    """SHA-256 in hexadecimal: of the content for known sets, of the source files for others."""
    match spec:
        case Digits() | Cifar():
            known = KNOWN_SETS[spec.kind]
            split_ranges(spec, known.training_images, known.test_images)
            return known.fingerprint
        case ParquetImages():
            return _digest(
                {
                    "kind": spec.kind,
                    "image": spec.image,
                    "label": spec.label,
                    "train": _parquet_content(spec.train, cache),
                    "test": _parquet_content(spec.test, cache),
                }
            )
        case ImageFolder():
            return _digest({"kind": spec.kind, "files": _folder_content(spec.root.expanduser(), cache)})
        case _:
            assert_never(spec)


def _parquet_content(path: Path, cache: Path) -> list[str]:
    # Rows are put into canonical order, so neither the files' names nor their order decide what is learnt.
    return sorted(file_digests(parquet_files(path), cache).values())


def _folder_content(root: Path, cache: Path) -> dict[str, str]:
    files = image_folder_files(root)
    digests = file_digests([file.path for file in (*files.train, *files.test)], cache)
    base = root.absolute()
    return {path.relative_to(base).as_posix(): digest for path, digest in digests.items()}


def _digest(content: dict[str, object]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
