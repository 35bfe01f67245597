"""Writing a prepared set: files that are on the disk before their folder appears, whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bansweep.data.descriptions import DESCRIPTION, PreparedFile, PreparedSet
from bansweep.data.file_digests import file_digest


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
