"""The files of a prepared data set: checked against their description, and mapped as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bansweep.data.cache import PREPARED_VERSION
from bansweep.data.descriptions import DESCRIPTION, PreparedSet, remedy
from bansweep.data.file_digests import file_digest
from bansweep.errors import DataError


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
