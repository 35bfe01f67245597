"""A data spec to its decoded images, in canonical order and known to be what it says."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from bansweep.data.canonical import content_fingerprint, in_canonical_order
from bansweep.data.decoded import DecodedSet
from bansweep.data.fingerprint import KNOWN_SETS
from bansweep.data.source_files import parquet_files
from bansweep.errors import DataError
from bansweep.spec.data import Cifar, DataSpec, Digits, ImageFolder, ParquetImages


def decode(spec: DataSpec, cache: Path) -> DecodedSet:
    """Decode the source that `spec` names: seconds, and the whole set in memory.

    Side effects: may download into `cache`. Raises DataError where the source is missing, damaged, or is not the
    published set whose name it bears.
    """
    decoded = in_canonical_order(_decode_source(spec, cache))
    if spec.kind in KNOWN_SETS:
        _verify(decoded, spec.kind)
    return decoded


def _decode_source(spec: DataSpec, cache: Path) -> DecodedSet:
    # The packages that read a source are imported for that source only.
    match spec:
        case Digits():
            from bansweep.data.sources.digits import decode_digits

            return decode_digits()
        case Cifar():
            from bansweep.data.sources.cifar import decode_cifar

            return decode_cifar(spec, cache)
        case ParquetImages():
            from bansweep.data.sources.parquet import decode_parquet

            return decode_parquet(
                parquet_files(spec.train),
                parquet_files(spec.test),
                image_column=spec.image,
                label_column=spec.label,
            )
        case ImageFolder():
            from bansweep.data.sources.folder import decode_folder

            return decode_folder(spec.root.expanduser())
        case _:
            assert_never(spec)


def _verify(decoded: DecodedSet, kind: str) -> None:
    known = KNOWN_SETS[kind]
    fingerprint = content_fingerprint(decoded)
    if fingerprint == known.fingerprint:
        return
    counts = (len(decoded.train_labels_N), len(decoded.test_labels_N))
    expected = (known.training_images, known.test_images)
    difference = (
        f"it holds {counts[0]:,} training and {counts[1]:,} test images instead of {expected[0]:,} and {expected[1]:,}"
        if counts != expected
        else f"the digest of its images is {fingerprint[:12]}... instead of {known.fingerprint[:12]}..."
    )
    raise DataError(
        f"{decoded.source} is not {known.title}: {difference}",
        remedy="fetch the published files again; a data set of your own goes under data.kind: parquet or folder",
    )
