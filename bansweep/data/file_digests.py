"""Digests of source files, remembered in the cache so that planning a sweep does not read gigabytes again.

Side effects: writes one JSON file below `<cache>/digests`. A cache that cannot be read or written costs time only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from bansweep.errors import DataError
from bansweep.regular_file import open_regular, read_regular

# A file changed within this time of being read may change again under the same modification time.
SETTLED_NS = 2_000_000_000

_LARGEST_MEMORY_BYTES = 2 << 30  # a line for each of ten million images


def file_digest(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal. Raises DataError where it cannot be read."""
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}", remedy="check the path and its permissions"
        ) from None


def file_digests(files: Iterable[Path], cache: Path, digest: Callable[[Path], str] = file_digest) -> dict[Path, str]:
    """The digest of each file; known again by absolute path, size and modification time (ns).

    `digest` computes it, by default from all bytes. It is remembered under the function's name: one that comes to
    mean something else needs another name.
    """
    paths = [path.absolute() for path in files]
    # One memory for each collection of files: a folder of 50,000 images is one entry, not 50,000.
    collection = "\n".join((digest.__name__, *map(str, paths))).encode(errors="surrogateescape")
    memory = cache / "digests" / f"{hashlib.sha256(collection).hexdigest()[:16]}.json"
    remembered = _read(memory)
    current: dict[str, list[int | str]] = {}
    digests: dict[Path, str] = {}
    for path in paths:
        size, modified_ns = _state(path)
        known = remembered.get(str(path))
        if isinstance(known, list) and known[:2] == [size, modified_ns] and len(known) == 3:
            digests[path] = str(known[2])
        else:
            digests[path] = digest(path)
        if time.time_ns() - modified_ns > SETTLED_NS:
            current[str(path)] = [size, modified_ns, digests[path]]
    if current != remembered:
        _write(memory, current)
    return digests


def _state(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", remedy="check the path") from None
    return status.st_size, status.st_mtime_ns


def _read(memory: Path) -> dict[str, object]:
    try:
        content = json.loads(read_regular(memory, _LARGEST_MEMORY_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(memory: Path, content: dict[str, list[int | str]]) -> None:
    with contextlib.suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        temporary = memory.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(content), "utf-8")
        temporary.replace(memory)
