"""Stores in directories: files are written under a temporary name, then renamed: a crash leaves no partial file."""

from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bansweep.errors import DamagedError, StoreError
from bansweep.regular_file import UnusableFileError, read_regular
from bansweep.store.paths import SMALL_BYTES, StorePath

# Files of crashed writers are removed after this time, far longer than any write takes.
LEFTOVER_AGE_S = 3600.0

# Prefix of the names of folders that are being removed.
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


@dataclass(frozen=True)
class LocalPath(StorePath):
    """A file or folder of a filesystem that this machine has mounted; `path` is absolute."""

    remote = False
    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> LocalPath:
        return LocalPath(self.path / name)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def parent(self) -> LocalPath:
        return LocalPath(self.path.parent)

    def exists(self) -> bool:
        with _explained("look at", self.path):
            return self.path.exists()

    def read(self, *, at_most: int = SMALL_BYTES) -> bytes:
        with _explained("read", self.path, FileNotFoundError):
            try:
                return read_regular(self.path, at_most)
            except UnusableFileError as error:
                raise DamagedError(f"cannot read {self.path}: {error.strerror}", remedy="remove it") from error
            except FileNotFoundError as error:
                # The name stays listed: a reader that retries until the file appears or vanishes would never end.
                if self.path.is_symlink():
                    raise DamagedError(f"cannot read {self.path}: it links to nothing", remedy="remove it") from error
                raise

    def names(self) -> list[str]:
        with _explained("list", self.path):
            try:
                return sorted(os.listdir(self.path))
            except FileNotFoundError:
                return []

    def make_folder(self) -> None:
        with _explained("create", self.path):
            missing = [path for path in (self.path, *self.path.parents) if not path.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
            for path in missing:
                _sync_folder(path.parent)

    def create(self, content: bytes) -> bool:
        self.parent.make_folder()
        with _explained("write", self.path):
            try:
                file = self.path.open("xb")
            except (FileExistsError, FileNotFoundError):  # not found: its folder was removed meanwhile
                return False
            with file:
                file.write(content)
            return True

    def replace(self, *parts: bytes, durable: bool = True) -> None:
        # A unique name: two processes may write the same file at once, and the later rename wins.
        temporary = self.path.with_name(f".{self.name}.{uuid.uuid4().hex}.tmp")
        with _explained("write", self.path, FileNotFoundError):
            try:
                _write_new(temporary, parts, durable=durable)
                temporary.replace(self.path)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise
            if durable:
                _sync_folder(self.path.parent)

    def set_aside(self, name: str) -> None:
        with _explained("set aside", self.path), suppress(FileNotFoundError):
            self.path.replace(self.path.with_name(name))

    def remove(self) -> None:
        with _explained("remove", self.path):
            self.path.unlink(missing_ok=True)

    def remove_folder(self) -> None:
        """Removes the folder atomically with all its content: it is renamed first."""
        doomed = self.with_name(f"{REMOVED}{self.name}-{uuid.uuid4().hex}")
        self.set_aside(doomed.name)
        # A writer that is just opening a file may still create it under the new name. On a network filesystem an open
        # file can prevent its removal; the remainder is then removed later, as a leftover.
        for _ in range(_ATTEMPTS):
            with _explained("remove", self.path):
                try:
                    shutil.rmtree(doomed.path)
                except OSError as error:
                    if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                        raise
            if not doomed.exists():
                return

    def remove_empty_folder(self) -> None:
        with suppress(OSError):
            self.path.rmdir()

    def remove_leftovers(self, *prefixes: str) -> None:
        for path in (self.path / name for name in self.names() if name.startswith((*prefixes, REMOVED))):
            # Best effort: other processes may clean up, too, and leftovers are harmless.
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > LEFTOVER_AGE_S:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    # Operations that need real folders

    def write_into(self, contents: dict[str, bytes]) -> None:
        """Creates this folder with these files, in this order, durably."""
        self.make_folder()
        for name, content in contents.items():
            with _explained("write", self.path / name):
                _write_new(self.path / name, (content,), durable=True)
        with _explained("write", self.path):
            _sync_folder(self.path)

    def move_folder(self, target: LocalPath) -> bool:
        """Renames this folder within its parent, durably; False where the name is taken."""
        with _explained("write", target.path):
            try:
                self.path.rename(target.path)
            except OSError as error:
                if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                    return False
                raise
            _sync_folder(target.path.parent)
            return True


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


def _write_new(path: Path, parts: tuple[bytes, ...], *, durable: bool) -> None:
    with path.open("xb") as file:
        for part in parts:
            file.write(part)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Makes a folder's names durable. Some network filesystems do that by themselves and refuse the call."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
