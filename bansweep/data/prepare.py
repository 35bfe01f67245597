"""Decodes a data set once for all processes of a node, and checks that it is what the sweep file says.

Side effects, all of them below the cache: downloads; one folder for each set, created atomically; a lock file next to
it, so that one process decodes while the others wait.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import assert_never

from filelock import FileLock

from bansweep.config.data import (
    Cifar,
    DataSpec,
    Digits,
    ImageDataSpec,
    ImageFolder,
    ParquetImages,
    PennTreebank,
    TextFiles,
    TextSpec,
    UserImages,
    WikiText2,
    is_text,
)
from bansweep.data.cache import CACHE_VARIABLE, cache_folder, prepared_folder
from bansweep.data.decoded import CanonicalImages, DecodedImages, DecodedText, content_fingerprint, in_canonical_order
from bansweep.data.fingerprint import source_fingerprints
from bansweep.data.known_sets import KNOWN_SETS, WIKITEXT_2_TOKENS
from bansweep.data.prepared import (
    atomically_created,
    check_prepared_images,
    check_prepared_text,
    write_images,
    write_text,
)
from bansweep.data.source_files import parquet_files, text_files
from bansweep.data.splits import TokenCounts
from bansweep.errors import DataError

_log = logging.getLogger(__name__)


def prepare(spec: DataSpec, cache: Path | None = None, *, verify: bool = False, known_as: str | None = None) -> Path:
    """The folder with the arrays of the whole set, which is decoded first if needed.

    `verify` compares the digests of the arrays, not only their sizes. Damaged folders are set aside and made again.
    `known_as` is the fingerprint that the sweep was planned with: a set prepared under it is used without reading its
    source files, which may be many. Raises DataError where the source is missing, invalid or no longer that set, or the
    cache cannot be written.
    """
    cache = cache or cache_folder()
    fingerprint = known_as or source_fingerprints(spec, cache)[0]
    folder = prepared_folder(cache, fingerprint)
    if _problem(folder, spec, fingerprint, verify) is None:
        return folder
    if known_as is not None and known_as not in source_fingerprints(spec, cache):
        raise DataError(
            f"the data set {spec.kind} is not the one that this sweep was planned with: its files have changed since",
            remedy="run the sweep again: generations of the changed set are others, and those of the former are kept",
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{fingerprint}.lock")):
            # The former holder of the lock may have prepared the set.
            problem = _problem(folder, spec, fingerprint, verify)
            if problem is not None:
                _set_aside(folder, problem)
                _make(folder, spec, cache, fingerprint)
    except OSError as error:
        raise DataError(
            f"the data set {spec.kind} cannot be prepared in {folder.parent}: {error}",
            remedy=f"make room there, or set {CACHE_VARIABLE} to a folder that can be written",
        ) from error
    return folder


def _problem(folder: Path, spec: DataSpec, fingerprint: str, verify: bool) -> str | None:
    check = check_prepared_text if is_text(spec) else check_prepared_images
    try:
        check(folder, fingerprint, digests=verify)
    except DataError as error:
        return error.cause
    return None


def _set_aside(folder: Path, problem: str) -> None:
    if not folder.exists():
        return
    damaged = folder.with_name(f"{folder.name}.damaged")
    _log.warning("%s; set aside as %s and made again", problem, damaged)
    shutil.rmtree(damaged, ignore_errors=True)
    folder.replace(damaged)


def _make(folder: Path, spec: DataSpec, cache: Path, fingerprint: str) -> None:
    if is_text(spec):
        text = decode_text(spec, cache)
        _require_unchanged(spec, cache, fingerprint)
        with atomically_created(folder) as partial:
            write_text(partial, text, spec.kind, fingerprint)
    else:
        images = decode_images(spec, cache)
        _require_unchanged(spec, cache, fingerprint)
        with atomically_created(folder) as partial:
            write_images(partial, images, spec.kind, fingerprint)


def _require_unchanged(spec: DataSpec, cache: Path, fingerprint: str) -> None:
    """Raises DataError where the files changed after their digests were taken."""
    if fingerprint not in source_fingerprints(spec, cache):
        raise DataError(
            f"the files of the data set {spec.kind} changed while they were read",
            remedy="wait until they are complete, and run the sweep again",
        )


def decode_images(spec: ImageDataSpec, cache: Path) -> CanonicalImages:
    """Decode the images that `spec` names: seconds, and the whole set in memory.

    Side effects: may download into `cache`. Raises DataError where the source is missing, damaged, has images of one
    class only, or is not the published set that `spec` names.
    """
    decoded = in_canonical_order(_decode_source(spec, cache))
    if spec.kind in KNOWN_SETS:
        _verify_images(decoded, spec.kind)
    _require_classes(decoded, spec)
    return decoded


def decode_text(spec: TextSpec, cache: Path) -> DecodedText:
    """Read the text that `spec` names: about a second for a million tokens.

    Side effects: may download into `cache`. Raises DataError where a file is missing, is not text, is not the published
    one that `spec` names, or has words that the training file lacks and cannot represent.
    """
    from bansweep.data.sources.text import ptb_files, tokenise

    match spec:
        case PennTreebank():
            return tokenise(ptb_files(spec, cache))
        case WikiText2():
            decoded = tokenise(text_files(spec))
            _compare_with_wikitext_2(decoded)
            return decoded
        case TextFiles():
            return tokenise(text_files(spec))
        case _:
            assert_never(spec)


def _decode_source(spec: ImageDataSpec, cache: Path) -> DecodedImages:
    # Each source needs other packages: import them for that source only.
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
            from bansweep.data.sources.image_folder import decode_folder

            return decode_folder(spec.root.expanduser())
        case UserImages():
            from bansweep.data.sources.user_images import decode_user_images

            return decode_user_images(spec)
        case _:
            assert_never(spec)


def _require_classes(decoded: DecodedImages, spec: ImageDataSpec) -> None:
    """Raises DataError where all training images are of one class: there is nothing to learn."""
    first = int(decoded.train_labels_N[0])
    if (decoded.train_labels_N != first).any():
        return
    if isinstance(spec, ParquetImages):
        where = str(spec.train)
        remedy = f"check data.label, which is {spec.label!r}, and that data.train names all files of the training set"
    else:
        where, remedy = decoded.source, "training images of two classes or more are needed"
    raise DataError(
        f"{where}: all {len(decoded.train_labels_N):,} training images are of one class, {decoded.classes[first]!r}",
        remedy=remedy,
    )


def _verify_images(decoded: DecodedImages, kind: str) -> None:
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


def _compare_with_wikitext_2(decoded: DecodedText) -> None:
    counts = TokenCounts(len(decoded.train_N), len(decoded.validation_N), len(decoded.test_N))
    if counts != WIKITEXT_2_TOKENS:
        _log.warning(
            "%s: %s tokens are not those of WikiText-2 as published, which has %s",
            decoded.source,
            " + ".join(f"{count:,}" for count in counts),
            " + ".join(f"{count:,}" for count in WIKITEXT_2_TOKENS),
        )
