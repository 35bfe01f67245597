"""The store's only calls of a filesystem: whole files, written so that a crash leaves the old state or the new one.

Another filesystem takes the place of this module; it needs files that appear at once and complete, names that can be
created exclusively, and folders that can be renamed. Every function turns the operating system's errors into
StoreError, except those that its docstring names.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bansweep.errors import StoreError

# What a crashed writer left is removed after this time, far longer than any file takes to write.
LEFTOVER_AGE_S = 3600.0

# How the names of folders begin that are being removed.
REMOVED = ".removed-"

_ATTEMPTS = 5

_REMEDIES = {
    errno.ENOSPC: "free some space on its disk, or choose another store with --store",
    errno.EDQUOT: "free some of your quota, or choose another store with --store",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), or choose another store with --store",
    errno.EROFS: "choose a store that can be written, with --store",
    errno.EACCES: "ask for permission on it, or choose another store with --store",
    errno.EPERM: "ask for permission on it, or choose another store with --store",
    errno.ENOTDIR: "a store is a directory; choose another with --store",
    errno.EEXIST: "a store is a directory; choose another with --store",
}
_OTHER_REMEDY = "check the disk that the store is on, or choose another store with --store"


@contextmanager
def _explained(action: str, path: Path, *passing: type[OSError]) -> Iterator[None]:
    """Turns the operating system's errors into StoreError, except those of the types `passing`."""
    try:
        yield
    except passing:
        raise
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, _OTHER_REMEDY)
        raise StoreError(f"cannot {action} {path}: {error.strerror or error}", remedy=remedy) from error


def sha256(*parts: bytes | memoryview) -> str:
    """The SHA-256 of the parts one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def exists(path: Path) -> bool:
    with _explained("look at", path):
        return path.exists()


def read(path: Path) -> bytes:
    """The whole file. Raises FileNotFoundError where there is none."""
    with _explained("read", path, FileNotFoundError):
        return path.read_bytes()


def names_in(folder: Path) -> list[str]:
    """The names in a folder, sorted; none where it does not exist."""
    with _explained("list", folder):
        try:
            return sorted(os.listdir(folder))
        except FileNotFoundError:
            return []


def make_folder(folder: Path) -> None:
    """Creates a folder and its parents, durably."""
    with _explained("create", folder):
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for path in missing:
            _sync_folder(path.parent)


def create(path: Path, content: bytes) -> bool:
    """Writes a file that does not exist; False where it does. Of several callers exactly one gets True.

    Readers may see it empty for a moment, and for good where the writer dies just then.
    """
    make_folder(path.parent)
    with _explained("write", path):
        try:
            file = path.open("xb")
        except (FileExistsError, FileNotFoundError):  # not found: its folder was removed again meanwhile
            return False
        with file:
            file.write(content)
        return True


def write_into(folder: Path, contents: dict[str, bytes]) -> None:
    """Creates a folder with these files, in this order, durably."""
    make_folder(folder)
    for name, content in contents.items():
        with _explained("write", folder / name):
            _write_new(folder / name, (content,), durable=True)
    with _explained("write", folder):
        _sync_folder(folder)


def replace(path: Path, *parts: bytes, durable: bool = True) -> None:
    """Writes a file whole, over what may be there. Raises FileNotFoundError where its folder is missing."""
    # A name of its own: two processes may write the same file at once, and the later rename wins.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    with _explained("write", path, FileNotFoundError):
        try:
            _write_new(temporary, parts, durable=durable)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        if durable:
            _sync_folder(path.parent)


def move_folder(source: Path, target: Path) -> bool:
    """Gives a folder another name in the same parent, durably; False where something has that name."""
    with _explained("write", target):
        try:
            source.rename(target)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                return False
            raise
        _sync_folder(target.parent)
        return True


def set_aside(path: Path, name: str) -> None:
    """Gives a file or folder another name beside it; nothing where another process did so before."""
    with _explained("set aside", path), suppress(FileNotFoundError):
        path.replace(path.with_name(name))


def remove(path: Path) -> None:
    """Removes a file; nothing where there is none."""
    with _explained("remove", path):
        path.unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Removes a folder at once, with all that is in it: it gets another name first. Nothing where there is none."""
    doomed = folder.with_name(f"{REMOVED}{folder.name}-{uuid.uuid4().hex}")
    set_aside(folder, doomed.name)
    # A writer that was just opening a file may still create it under the new name; one that holds a file open can
    # keep a network filesystem from removing it, and then the rest is a leftover.
    for _ in range(_ATTEMPTS):
        with _explained("remove", folder):
            try:
                shutil.rmtree(doomed)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                    raise
        if not exists(doomed):
            return


def remove_empty_folder(folder: Path) -> None:
    """Removes a folder with nothing in it; leaves another alone."""
    with suppress(OSError):
        folder.rmdir()


def remove_leftovers(folder: Path, *prefixes: str) -> None:
    """Removes what writers that crashed more than an hour ago left in a folder under names that begin so."""
    for path in (folder / name for name in names_in(folder) if name.startswith(prefixes)):
        # Best effort: others may be tidying up too, and a leftover harms nobody.
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > LEFTOVER_AGE_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _write_new(path: Path, parts: tuple[bytes, ...], *, durable: bool) -> None:
    with path.open("xb") as file:
        for part in parts:
            file.write(part)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Makes names in a folder survive a power cut; some network filesystems do so unasked and refuse the call."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
