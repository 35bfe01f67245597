"""A prepared data set on disk: files that are mapped or read as they are, and a description of them, `meta.json`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from bansweep.data.file_digests import file_digest
from bansweep.errors import DataError
from bansweep.spec.model import SpecModel

DESCRIPTION = "meta.json"
FORMAT_VERSION = 2


class PreparedFile(SpecModel):
    bytes: int
    sha256: str


class PreparedSet(SpecModel):
    """What `meta.json` says of any set; `files` maps file names to sizes and digests."""

    version: int
    kind: str
    fingerprint: str
    source: str
    files: dict[str, PreparedFile]


Description = TypeVar("Description", bound=PreparedSet)


def read_description(folder: Path, description: type[Description]) -> Description:
    """The description of a prepared set. Raises DataError where it is missing or damaged."""
    path = folder / DESCRIPTION
    try:
        return description.model_validate_json(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", remedy=remedy(folder)) from None
    except (ValidationError, UnicodeDecodeError):
        raise DataError(f"{path} is damaged", remedy=remedy(folder)) from None


def check_files(folder: Path, meta: PreparedSet, names: Sequence[str], fingerprint: str, *, digests: bool) -> None:
    """Raises DataError where a file in `folder` is missing, of the wrong size or of another set.

    `digests` compares the files' content too, which takes about a second for each gigabyte.
    """
    if meta.version != FORMAT_VERSION or meta.fingerprint != fingerprint:
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


def remedy(folder: Path) -> str:
    return f"remove {folder}: it is made again from the source"
