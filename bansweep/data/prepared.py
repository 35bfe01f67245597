"""Prepared data sets: files that are written atomically, checked against their description, and mapped.

Bytes have 256 values: how often each occurs is exact, small, and adds up. So counts of the training set are kept, for
any number of images from its first one on; reading all pixels again would take most of the time to a first batch.

Shape suffixes: N images, H W pixels, K channels, P portions of the set, L the 256 levels of a byte.

That is how often each level occurs among the training pixels, and which test images are copies of training images.
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


@contextlib.contextmanager
def appearing_whole(folder: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `folder` when all is written. What a killed process left there is removed.

    One process at a time, by the caller's lock. Raises OSError.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    yield partial
    partial.replace(folder)
    _sync_folder(folder.parent)


def save_array(path: Path, array: NDArray[Any]) -> PreparedFile:
    """Write an uncompressed .npy file. Raises OSError."""
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        _sync(file)
    return _described(path)


def save_json(path: Path, content: str) -> PreparedFile:
    """Write JSON as UTF-8. Raises OSError."""
    with path.open("w", encoding="utf-8") as file:
        file.write(content)
        _sync(file)
    return _described(path)


def save_description(folder: Path, meta: PreparedSet) -> None:
    """Write `meta.json`, last of all. Raises OSError."""
    save_json(folder / DESCRIPTION, meta.model_dump_json(indent=1))


def _sync(file: io.BufferedWriter | io.TextIOWrapper) -> None:
    file.flush()
    os.fsync(file.fileno())


def _described(path: Path) -> PreparedFile:
    return PreparedFile(bytes=path.stat().st_size, sha256=file_digest(path))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


PORTION = 1000
"""Images of a portion; the last one may have fewer."""

Counts = NDArray[np.int64]
Statistics = tuple[tuple[float, ...], tuple[float, ...]]


def level_counts(images_NHWK: Pixels) -> Counts:
    """How often each level occurs in each channel: (P, K, L), of the first portion, the first two, and so on to all."""
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
    # A channel of one value carries nothing; 1 keeps it finite.
    deviations_K[deviations_K == 0] = 1.0
    return tuple(means_K.tolist()), tuple(deviations_K.tolist())


def _counts(images_NHWK: Pixels) -> Counts:
    channels = range(images_NHWK.shape[-1])
    return np.stack([np.bincount(images_NHWK[..., channel].ravel(), minlength=256) for channel in channels])


def check_files(folder: Path, meta: PreparedSet, names: Sequence[str], fingerprint: str, *, digests: bool) -> None:
    """Raises DataError where a file in `folder` is missing, of the wrong size or of another set.

    `digests` compares the files' content too, which takes about a second for each gigabyte.
    """
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

    It is read-only, or `copy_on_write`: that can be the memory of a tensor, and what were written would stay here.
    """
    try:
        # Unlike np.load it reads nothing but arrays that can be mapped: no pickle, and no archive.
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="c" if copy_on_write else "r")
    except Exception as error:  # a damaged header fails in any of the ways in which Python's own parser does
        raise DataError(f"{path} cannot be read: {error}", remedy=remedy(path.parent)) from None
    return array


FILES = ("train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy", "train_counts.npy")
COPIES = "test_copies.npy"


def check_prepared_images(folder: Path, fingerprint: str, *, digests: bool = False) -> None:
    """Raises DataError where something in `folder` is missing, damaged or of another set (see `check_files`)."""
    check_files(folder, read_description(folder, PreparedImages), (*FILES, COPIES), fingerprint, digests=digests)


def write_images(folder: Path, decoded: CanonicalImages, kind: str, fingerprint: str) -> None:
    """Write the arrays and their description into `folder`. Raises OSError."""
    arrays: tuple[NDArray[Any], ...] = (
        decoded.train_images_NHWC,
        decoded.train_labels_N,
        decoded.test_images_NHWC,
        decoded.test_labels_N,
        level_counts(decoded.train_images_NHWC),
    )
    files = {name: save_array(folder / name, array) for name, array in zip(FILES, arrays, strict=True)}
    files[COPIES] = save_array(folder / COPIES, decoded.test_copies_N)
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
    save_description(folder, meta)


ARRAYS = ("train_tokens.npy", "validation_tokens.npy", "test_tokens.npy")


def check_prepared_text(folder: Path, fingerprint: str, *, digests: bool = False) -> None:
    """Raises DataError where something in `folder` is missing, damaged or of another set (see `check_files`)."""
    check_files(folder, read_description(folder, PreparedText), (*ARRAYS, VOCABULARY), fingerprint, digests=digests)


def write_text(folder: Path, decoded: DecodedText, kind: str, fingerprint: str) -> None:
    """Write the tokens, the vocabulary and their description into `folder`. Raises OSError."""
    splits = (decoded.train_N, decoded.validation_N, decoded.test_N)
    files = {name: save_array(folder / name, tokens_N) for name, tokens_N in zip(ARRAYS, splits, strict=True)}
    words = json.dumps(decoded.vocabulary, ensure_ascii=False, indent=0)
    files[VOCABULARY] = save_json(folder / VOCABULARY, words)
    meta = PreparedText(
        version=PREPARED_VERSION,
        kind=kind,
        fingerprint=fingerprint,
        source=decoded.source,
        tokens=TokenCounts(*map(len, splits)),
        vocabulary_size=len(decoded.vocabulary),
        files=files,
    )
    save_description(folder, meta)
