"""Decoding a data set once for all processes of a node.

Side effects, all of them below the cache: downloads; one folder for each set, which appears there whole or not at all;
a lock beside it, under which one process decodes while the others wait.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from filelock import FileLock

from bansweep.data.builder import decode_images, decode_text
from bansweep.data.cache import CACHE_VARIABLE, cache_folder, prepared_folder
from bansweep.data.fingerprint import source_fingerprints
from bansweep.data.prepared_images import check_prepared_images, write_images
from bansweep.data.prepared_text import check_prepared_text, write_text
from bansweep.data.saving import appearing_whole
from bansweep.errors import DataError
from bansweep.spec.data import DataSpec, is_text

logger = logging.getLogger(__name__)


def prepare(spec: DataSpec, cache: Path | None = None, *, verify: bool = False, known_as: str | None = None) -> Path:
    """The folder with the arrays of the whole set; decodes it first where it is not there.

    `verify` compares the arrays with their digests rather than with their sizes only. What is damaged is set aside and
    decoded again. `known_as` is the fingerprint that the set had for whoever wants it: what is prepared under it is
    taken without a look at the source, whose files may be many. Raises DataError where the source is missing, unfit or
    no longer that set, or the cache cannot be written.
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
    logger.warning("%s; set aside as %s and made again", problem, damaged)
    shutil.rmtree(damaged, ignore_errors=True)
    folder.replace(damaged)


def _make(folder: Path, spec: DataSpec, cache: Path, fingerprint: str) -> None:
    if is_text(spec):
        text = decode_text(spec, cache)
        _require_unchanged(spec, cache, fingerprint)
        with appearing_whole(folder) as partial:
            write_text(partial, text, spec.kind, fingerprint)
    else:
        images = decode_images(spec, cache)
        _require_unchanged(spec, cache, fingerprint)
        with appearing_whole(folder) as partial:
            write_images(partial, images, spec.kind, fingerprint)


def _require_unchanged(spec: DataSpec, cache: Path, fingerprint: str) -> None:
    """Raises DataError where the files changed after their digests were taken: the decoded content is another set."""
    if fingerprint not in source_fingerprints(spec, cache):
        raise DataError(
            f"the files of the data set {spec.kind} changed while they were read",
            remedy="wait until they are complete, and run the sweep again",
        )
