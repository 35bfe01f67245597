"""The cache folder: downloads, prepared arrays, and remembered digests of source files.

Digests of source files are remembered in one JSON file per collection below `<cache>/digests`. If those files cannot
be read or written, digests are computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from bansweep.errors import DataError
from bansweep.regular_file import open_regular, read_regular

CACHE_VARIABLE = "BANSWEEP_CACHE"
DATA_VARIABLE = "BANSWEEP_DATA"

# Part of the path of prepared copies. Raise it when a reader is corrected or the files change, so that no copy of a
# former version is used. Copies of another version are left alone: a process of that version may be using them.
PREPARED_VERSION = 3

# A file changed less than this before its state was taken may change again under the same times.
SETTLED_NS = 2_000_000_000

_LARGEST_MEMORY_BYTES = 2 << 30  # a line for each of ten million images
# Increment it when the remembered state or the meaning of a digest changes. 1 was size and modification time.
_MEMORY_VERSION = "2"


def cache_folder() -> Path:
    """$BANSWEEP_CACHE, by default ~/.cache/bansweep. It need not exist yet."""
    return Path(os.environ.get(CACHE_VARIABLE) or "~/.cache/bansweep").expanduser()


def data_folder() -> Path | None:
    """$BANSWEEP_DATA, a folder with the user's data sets; None where it is not set."""
    folder = os.environ.get(DATA_VARIABLE)
    return Path(folder).expanduser() if folder else None


def downloads_folder(cache: Path) -> Path:
    """Where downloads are stored, and where data sets without a `root` are looked up."""
    return cache / "downloads"


def prepared_folder(cache: Path, fingerprint: str) -> Path:
    """The folder of the prepared set with this fingerprint, whether or not it exists."""
    return cache / "prepared" / f"v{PREPARED_VERSION}" / fingerprint


def file_digest(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal. Raises DataError where it cannot be read."""
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}", remedy="check the path and its permissions"
        ) from None


def file_digests(
    files: Iterable[Path], cache: Path, digest: Callable[[Path], str] = file_digest, name: str | None = None
) -> dict[Path, str]:
    """The digest of each file, remembered by absolute path, size, modification time, change time (ns) and inode.

    `digest` computes it, by default from all bytes. It is remembered under `name`, by default the function's name:
    change the name when the function's result changes. Raises DataError where a file cannot be read.
    """
    paths = [path.absolute() for path in files]
    # One JSON file per collection: a folder of 50,000 images needs one, not 50,000.
    key = "\n".join((_MEMORY_VERSION, name or digest.__name__, *map(str, paths))).encode(errors="surrogateescape")
    memory = cache / "digests" / f"{hashlib.sha256(key).hexdigest()[:16]}.json"
    remembered = _read(memory)
    current: dict[str, list[int | str]] = {}
    digests: dict[Path, str] = {}
    for path in paths:
        # The state and the time are taken before the file is read: a change while it is read shows afterwards.
        state, now_ns = _state(path), time.time_ns()
        known = remembered.get(str(path))
        if isinstance(known, list) and known[:-1] == list(state):
            digests[path] = str(known[-1])
        else:
            digests[path] = digest(path)
        if now_ns - max(state.modified_ns, state.changed_ns) > SETTLED_NS:
            current[str(path)] = [*state, digests[path]]
    if current != remembered:
        _write(memory, current)
    return digests


class _FileState(NamedTuple):
    """A file's state. Programs can set the modification time back; only the kernel sets `changed_ns`."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int


def _state(path: Path) -> _FileState:
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", remedy="check the path") from None
    return _FileState(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


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
