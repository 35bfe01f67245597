"""Decoding a data set once for all processes of a node.

Side effects, all of them below the cache: downloads; one folder for each set, which appears there whole or not at all;
a lock beside it, under which one process decodes while the others wait.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from bansweep.data.builder import decode
from bansweep.data.cache import CACHE_VARIABLE, cache_folder
from bansweep.data.channel_statistics import channel_statistics
from bansweep.data.decoded import DecodedSet
from bansweep.data.file_digests import file_digest
from bansweep.data.fingerprint import source_fingerprint
from bansweep.data.prepared import (
    ARRAYS,
    DESCRIPTION,
    FORMAT_VERSION,
    ArrayFile,
    PreparedMeta,
    array_path,
    check_prepared,
)
from bansweep.errors import DataError
from bansweep.spec.data import DataSpec

logger = logging.getLogger(__name__)


def prepare(spec: DataSpec, cache: Path | None = None, *, verify: bool = False) -> Path:
    """The folder with the arrays of the whole set; decodes it first where it is not there.

    `verify` compares the arrays with their digests rather than with their sizes only. What is damaged is set aside and
    decoded again. Raises DataError where the source is missing or unfit, or the cache cannot be written.
    """
    cache = cache or cache_folder()
    fingerprint = source_fingerprint(spec, cache)
    folder = cache / "prepared" / fingerprint
    if _problem(folder, fingerprint, verify) is None:
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{fingerprint}.lock")):
            # Whoever waited for the lock finds the set prepared by its former holder.
            problem = _problem(folder, fingerprint, verify)
            if problem is not None:
                _set_aside(folder, problem)
                _write(folder, decode(spec, cache), spec.kind, fingerprint)
    except OSError as error:
        raise DataError(
            f"the data set {spec.kind} cannot be prepared in {folder.parent}: {error}",
            remedy=f"make room there, or set {CACHE_VARIABLE} to a folder that can be written",
        ) from error
    return folder


def _problem(folder: Path, fingerprint: str, verify: bool) -> str | None:
    try:
        check_prepared(folder, fingerprint, digests=verify)
    except DataError as error:
        return error.cause
    return None


def _set_aside(folder: Path, problem: str) -> None:
    if not folder.exists():
        return
    damaged = folder.with_name(f"{folder.name}.damaged")
    logger.warning("%s; set aside as %s and made again", problem, damaged)
    shutil.rmtree(damaged, ignore_errors=True)
    folder.replace(damaged)


def _write(folder: Path, decoded: DecodedSet, kind: str, fingerprint: str) -> None:
    partial = folder.with_name(f"{fingerprint}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    arrays: tuple[NDArray[Any], ...] = (
        decoded.train_images_NHWC,
        decoded.train_labels_N,
        decoded.test_images_NHWC,
        decoded.test_labels_N,
    )
    files = {}
    for name, array in zip(ARRAYS, arrays, strict=True):
        path = array_path(partial, name)
        with path.open("wb") as file:
            np.save(file, array, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        files[path.name] = ArrayFile(bytes=path.stat().st_size, sha256=file_digest(path))
    mean, std = channel_statistics(decoded.train_images_NHWC)
    height, width, channels = decoded.train_images_NHWC.shape[1:]
    meta = PreparedMeta(
        version=FORMAT_VERSION,
        kind=kind,
        fingerprint=fingerprint,
        source=decoded.source,
        classes=decoded.classes,
        image_shape=(height, width, channels),
        training_images=len(decoded.train_labels_N),
        test_images=len(decoded.test_labels_N),
        mean=mean,
        std=std,
        files=files,
    )
    with (partial / DESCRIPTION).open("w", encoding="utf-8") as description:
        description.write(meta.model_dump_json(indent=1))
        description.flush()
        os.fsync(description.fileno())
    partial.replace(folder)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
