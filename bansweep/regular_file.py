"""Opens regular files only. A named pipe or a device in place of a file would block its reader, or never end."""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path

_KINDS = (
    (stat.S_ISLNK, "link"),
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)
_CHUNK_BYTES = 1 << 16
_LEASE_S = 10.0
_PAUSE_S = 0.05


class UnusableFileError(OSError):
    """The path is no regular file, or the file is larger than its kind may be; `strerror` says which."""


def open_regular(path: Path) -> BufferedReader:
    """Opens a regular file, or a link to one, for reading.

    Raises UnusableFileError for anything else, without waiting for a writer; OSError as `open` does.
    """
    try:
        # Opening a device can have side effects, so check first.
        _check(path.stat())
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UnusableFileError(errno.ELOOP, "a link to itself is there, not a regular file") from error
        raise
    return os.fdopen(_opened(path, os.O_RDONLY), "rb")


def append_regular(path: Path) -> BufferedWriter:
    """Opens a regular file for appending, and creates it if it is missing. Raises as `open_regular` does.

    Links are not followed: a link would let its creator redirect the output to any file of the user's.
    """
    with suppress(FileNotFoundError):
        _check(path.lstat())
    return os.fdopen(_opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW), "ab")


def _opened(path: Path, flags: int) -> int:
    """Returns a descriptor of a regular file, without waiting for a pipe's other end."""
    descriptor = _open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _check(os.fstat(descriptor))  # another file may have taken the path since the first check
        return descriptor
    except BaseException:
        os.close(descriptor)
        raise


def _open(path: Path, flags: int) -> int:
    """As `os.open`, with patience for another process that has a lease on the file, as file servers have."""
    deadline = time.monotonic() + _LEASE_S
    while True:
        try:
            return os.open(path, flags, 0o666)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)


def read_regular(path: Path, at_most: int) -> bytes:
    """Reads a regular file of at most `at_most` bytes. Raises UnusableFileError and OSError."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        chunks: list[bytes] = []
        read = 0
        # The reported size is not enough: files in /proc report 0, and a file may grow.
        while size <= at_most and (chunk := file.read(max(size + 1 - read, _CHUNK_BYTES))):
            chunks.append(chunk)
            read += len(chunk)
            size = max(size, read)
    if size > at_most:
        raise UnusableFileError(errno.EFBIG, f"the file has more than {at_most:,} bytes")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _check(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise UnusableFileError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "special file")
        raise UnusableFileError(errno.EINVAL, f"a {kind} is there, not a regular file")
