"""What a store needs of a filesystem: files that appear atomically, and names that only one caller can create.

`LocalPath` is a file or folder of a mounted filesystem, `ObjectPath` one of an object store such as S3.
`tests/store/test_paths.py` tests both against this interface.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

SMALL_BYTES = 64 << 20
"""The size limit of every file of a store that holds no tensors and no tables: records, leases, notes."""


class StorePath(ABC):
    """The name of a file or folder in a store, whether it is there or not.

    Methods raise StoreError, with cause and remedy, where the filesystem fails. Their docstrings name other errors.
    """

    remote: ClassVar[bool]
    """Whether each access is a network round trip."""

    @abstractmethod
    def __str__(self) -> str:
        """As a user would write it."""

    @abstractmethod
    def __truediv__(self, name: str) -> Self: ...

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    @abstractmethod
    def parent(self) -> Self: ...

    def with_name(self, name: str) -> Self:
        """Another name in the same folder."""
        return self.parent / name

    @abstractmethod
    def exists(self) -> bool: ...

    @abstractmethod
    def read(self, *, at_most: int = SMALL_BYTES) -> bytes:
        """The whole file. Raises FileNotFoundError where there is none.

        Raises DamagedError for a file of more than `at_most` bytes, and for anything but a regular file: a named pipe,
        a device, a folder, a dangling link.
        """

    @abstractmethod
    def names(self) -> list[str]:
        """The names in this folder, sorted; none where it does not exist."""

    @abstractmethod
    def make_folder(self) -> None:
        """Creates this folder and its parents, durably; nothing in a filesystem without folders."""

    @abstractmethod
    def create(self, content: bytes) -> bool:
        """Writes a file that does not exist; False where it does. Exactly one of several callers gets True.

        Readers may see it empty for a moment. It stays empty if the writer dies then.
        """

    @abstractmethod
    def replace(self, *parts: bytes, durable: bool = True) -> None:
        """Writes or replaces a file atomically: readers see the former content or the new one.

        Raises FileNotFoundError where its folder is missing, in a filesystem with folders.
        """

    @abstractmethod
    def set_aside(self, name: str) -> None:
        """Renames a file or folder within its folder; nothing where another process did so before."""

    @abstractmethod
    def remove(self) -> None:
        """Removes a file; nothing where there is none."""

    @abstractmethod
    def remove_folder(self) -> None:
        """Removes a folder with all its content, its own files first; nothing where there is none."""

    @abstractmethod
    def remove_empty_folder(self) -> None:
        """Removes an empty folder; leaves any other."""

    @abstractmethod
    def remove_leftovers(self, *prefixes: str) -> None:
        """Removes files with these prefixes that writers which crashed more than an hour ago left in a folder."""
