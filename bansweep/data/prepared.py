"""Prepared data sets: files that are written atomically, checked against their description, and mapped.

Image sets also store which test images are copies of training images, and how often each of the 256 levels of a byte
occurs among the training pixels: one table for the first portion of images, one for the first two, and so on. From
these counts follow mean and standard deviation of any first N images. Reading all their pixels instead would take most
of the time to a first batch.

Shape suffixes: N images, H W pixels, K channels, P portions of the set, L the 256 levels of a byte.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bansweep.data.cache import PREPARED_VERSION, file_digest
from bansweep.data.decoded import CanonicalImages, DecodedText, Pixels
from bansweep.data.descriptions import (
    DESCRIPTION,
    VOCABULARY,
    PreparedFile,
    PreparedImages,
    PreparedSet,
    PreparedText,
    read_description,
    remedy,
)
from bansweep.data.splits import TokenCounts
from bansweep.errors import DataError

IMAGE_FILES = ("train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy", "train_counts.npy")
COPIES_FILE = "test_copies.npy"
TOKEN_FILES = ("train_tokens.npy", "validation_tokens.npy", "test_tokens.npy")

PORTION = 1000
"""Images in a portion; the last one may have fewer."""

Counts = NDArray[np.int64]
Statistics = tuple[tuple[float, ...], tuple[float, ...]]


def check_prepared_images(folder: Path, fingerprint: str, *, digests: bool = False) -> None:
    """Raises DataError where a file in `folder` is missing, of the wrong size or of another set.

    `digests` compares the files' content too, which takes about a second for each gigabyte.
    """
    _check_files(
        folder, read_description(folder, PreparedImages), (*IMAGE_FILES, COPIES_FILE), fingerprint, digests=digests
    )


def check_prepared_text(folder: Path, fingerprint: str, *, digests: bool = False) -> None:
    """Raises DataError where a file in `folder` is missing, of the wrong size or of another set.

    `digests` compares the files' content too, which takes about a second for each gigabyte.
    """
    _check_files(
        folder, read_description(folder, PreparedText), (*TOKEN_FILES, VOCABULARY), fingerprint, digests=digests
    )


def write_images(folder: Path, decoded: CanonicalImages, kind: str, fingerprint: str) -> None:
    """Write the arrays and their description into `folder`. Raises OSError."""
    arrays: tuple[NDArray[Any], ...] = (
        decoded.train_images_NHWC,
        decoded.train_labels_N,
        decoded.test_images_NHWC,
        decoded.test_labels_N,
        level_counts(decoded.train_images_NHWC),
    )
    files = {name: _save_array(folder / name, array) for name, array in zip(IMAGE_FILES, arrays, strict=True)}
    files[COPIES_FILE] = _save_array(folder / COPIES_FILE, decoded.test_copies_N)
    height, width, channels = decoded.train_images_NHWC.shape[1:]
    meta = PreparedImages(
        version=PREPARED_VERSION,
        kind=kind,
        fingerprint=fingerprint,
        source=decoded.source,
        classes=decoded.classes,
        image_shape=(height, width, channels),
        training_images=len(decoded.train_labels_N),
        test_images=len(decoded.test_labels_N),
        files=files,
    )
    _save_description(folder, meta)


def write_text(folder: Path, decoded: DecodedText, kind: str, fingerprint: str) -> None:
    """Write the tokens, the vocabulary and their description into `folder`. Raises OSError."""
    splits = (decoded.train_N, decoded.validation_N, decoded.test_N)
    files = {name: _save_array(folder / name, tokens_N) for name, tokens_N in zip(TOKEN_FILES, splits, strict=True)}
    words = json.dumps(decoded.vocabulary, ensure_ascii=False, indent=0)
    files[VOCABULARY] = _save_json(folder / VOCABULARY, words)
    meta = PreparedText(
        version=PREPARED_VERSION,
        kind=kind,
        fingerprint=fingerprint,
        source=decoded.source,
        tokens=TokenCounts(*map(len, splits)),
        vocabulary_size=len(decoded.vocabulary),
        files=files,
    )
    _save_description(folder, meta)


def _check_files(folder: Path, meta: PreparedSet, names: Sequence[str], fingerprint: str, *, digests: bool) -> None:
    if meta.version != PREPARED_VERSION or meta.fingerprint != fingerprint:
        raise DataError(f"{folder / DESCRIPTION} describes another set or version", remedy=remedy(folder))
    for name in names:
        path = folder / name
        expected = meta.files.get(name)
        if expected is None or not path.is_file() or path.stat().st_size != expected.bytes:
            raise DataError(f"{path} is missing or cut short", remedy=remedy(folder))
        if digests and file_digest(path) != expected.sha256:
            raise DataError(f"{path} does not match its digest", remedy=remedy(folder))


def map_array(path: Path, *, copy_on_write: bool = False) -> NDArray[Any]:
    """A prepared array, mapped into memory: all processes of a node share one copy. Raises DataError where unreadable.

    It is read-only, or `copy_on_write`: a tensor can use that memory, and writes never reach the file.
    """
    try:
        # Unlike np.load, it accepts only arrays that can be mapped: no pickle, no archive.
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="c" if copy_on_write else "r")
    except Exception as error:  # NumPy parses the header as Python source: damage raises many types
        raise DataError(f"{path} cannot be read: {error}", remedy=remedy(path.parent)) from None
    return array


@contextlib.contextmanager
def atomically_created(folder: Path) -> Iterator[Path]:
    """A folder to write into, which is renamed to `folder` on leaving. The remains of a killed process are removed.

    The caller's lock admits one process at a time. Raises OSError.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    yield partial
    partial.replace(folder)
    _sync_folder(folder.parent)


def _save_array(path: Path, array: NDArray[Any]) -> PreparedFile:
    """Write an uncompressed .npy file. Raises OSError."""
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        _sync(file)
    return _file_entry(path)


def _save_json(path: Path, content: str) -> PreparedFile:
    """Write JSON as UTF-8. Raises OSError."""
    with path.open("w", encoding="utf-8") as file:
        file.write(content)
        _sync(file)
    return _file_entry(path)


def _save_description(folder: Path, meta: PreparedSet) -> None:
    """Write `meta.json`, last of all. Raises OSError."""
    _save_json(folder / DESCRIPTION, meta.model_dump_json(indent=1))


def _sync(file: io.BufferedWriter | io.TextIOWrapper) -> None:
    file.flush()
    os.fsync(file.fileno())


def _file_entry(path: Path) -> PreparedFile:
    return PreparedFile(bytes=path.stat().st_size, sha256=file_digest(path))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def level_counts(images_NHWK: Pixels) -> Counts:
    """How often each level occurs in each channel, summed over the first portion, the first two, ... all: (P, K, L)."""
    starts = range(0, len(images_NHWK), PORTION)
    return np.stack([_counts(images_NHWK[start : start + PORTION]) for start in starts]).cumsum(axis=0)


def channel_statistics(counts_PKL: Counts, images_NHWK: Pixels) -> Statistics:
    """Mean and standard deviation of each channel's pixels, scaled to [0, 1].

    `images_NHWK` are the first of the set that was counted.
    """
    portions, rest = divmod(len(images_NHWK), PORTION)
    counts_KL = _counts(images_NHWK[portions * PORTION :]) if rest else np.zeros_like(counts_PKL[0])
    if portions:
        counts_KL = counts_KL + counts_PKL[portions - 1]
    shares_KL = counts_KL / counts_KL.sum(axis=1, keepdims=True)
    levels_L = np.arange(256) / 255
    means_K = shares_KL @ levels_L
    deviations_K = np.sqrt((shares_KL * (levels_L - means_K[:, None]) ** 2).sum(axis=1))
    # A constant channel has no deviation: divide by 1 instead of 0.
    deviations_K[deviations_K == 0] = 1.0
    return tuple(means_K.tolist()), tuple(deviations_K.tolist())


def _counts(images_NHWK: Pixels) -> Counts:
    channels = range(images_NHWK.shape[-1])
    return np.stack([np.bincount(images_NHWK[..., channel].ravel(), minlength=256) for channel in channels])
