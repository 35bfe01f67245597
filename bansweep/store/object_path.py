"""Stores in object stores (S3 and compatible ones, Google's, Azure's), through fsspec.

An object appears atomically, and can be created on the condition that none of its name exists. Folders are only
prefixes of names. So nothing is renamed, and nothing is left half written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bansweep.errors import DamagedError, RequestError, StoreError
from bansweep.store.paths import SMALL_BYTES, StorePath

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


SCHEMES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss")
"""The kinds of object store whose conditional writes fsspec's packages know how to ask for."""

# Retries outlast a server's restart: growing pauses of half a minute together. A server that accepts requests and never
# answers is given up after about four minutes.
_ATTEMPTS = 6
_CONNECT_TIMEOUT_S = 10
_READ_TIMEOUT_S = 15

_CREDENTIALS = "see that the environment has credentials for it (for S3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
_REMEDIES = {
    PermissionError: f"{_CREDENTIALS} that may read and write there, or choose another store with --store",
    FileNotFoundError: "create its bucket, or choose another store with --store",
}
_OTHER_REMEDY = "check its address (for S3: AWS_ENDPOINT_URL) and the network, or choose another store with --store"

# HTTP's statuses where a name is taken: Precondition Failed, and Conflict with a write at the same moment.
_TAKEN = (409, 412)

# Object stores verified to honour conditional creates. Without that, two processes could hold the same lease.
_exclusive: set[str] = set()


@dataclass(frozen=True)
class ObjectPath(StorePath):
    """An object or a prefix of names; `key` is the name in `filesystem`, which caches no listings."""

    remote = True
    filesystem: AbstractFileSystem
    scheme: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.key.lstrip('/')}"

    def __truediv__(self, name: str) -> ObjectPath:
        return ObjectPath(self.filesystem, self.scheme, f"{self.key}/{name}")

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> ObjectPath:
        return ObjectPath(self.filesystem, self.scheme, self.key.rpartition("/")[0])

    def exists(self) -> bool:
        with self._explained("look at"):
            return bool(self.filesystem.exists(self.key))

    def read(self, *, at_most: int = SMALL_BYTES) -> bytes:
        with self._explained("read", FileNotFoundError):
            try:
                content: bytes = self.filesystem.cat_file(self.key, end=at_most + 1)
            except FileNotFoundError:
                raise
            except Exception:
                # Servers refuse a range of an empty object (416, Range Not Satisfiable).
                if self.filesystem.size(self.key):
                    raise
                content = b""
        if len(content) > at_most:
            raise DamagedError(f"cannot read {self}: the object has more than {at_most:,} bytes", remedy="remove it")
        return content

    def names(self) -> list[str]:
        with self._explained("list"):
            try:
                keys: list[str] = self.filesystem.ls(self.key, detail=False)
            except FileNotFoundError:
                return []
        names = {key.rstrip("/").rpartition("/")[2] for key in keys if key.strip("/") != self.key.strip("/")}
        return sorted(names)

    def make_folder(self) -> None:
        pass

    def create(self, content: bytes) -> bool:
        with self._explained("write"):
            if self._is_created(content):
                self._check_exclusive(content)
                return True
            # An attempt whose answer was lost may have created it; then the retry finds it taken.
            try:
                return self.read() == content
            except FileNotFoundError:  # it was removed meanwhile
                return False

    def _is_created(self, content: bytes) -> bool:
        try:
            self.filesystem.pipe_file(self.key, content, mode="create")
        except OSError as error:
            # Servers answer differently for a name that is taken.
            if isinstance(error, FileExistsError) or _status(error) in _TAKEN or self.filesystem.exists(self.key):
                return False
            raise
        return True

    def _check_exclusive(self, content: bytes) -> None:
        """Checks once for each bucket that an existing object cannot be created again."""
        bucket = f"{self.scheme}://{self.key.partition('/')[0]}"
        if bucket in _exclusive:
            return
        if self._is_created(content):
            raise StoreError(
                f"{bucket} cannot hold a store: it overwrites objects that are to be created only where there are none "
                "(If-None-Match)",
                remedy="use one that knows conditional writes, such as S3, or a directory that all nodes share",
            )
        _exclusive.add(bucket)

    def replace(self, *parts: bytes, durable: bool = True) -> None:  # noqa: ARG002  # objects are always durable
        with self._explained("write"):
            self.filesystem.pipe_file(self.key, b"".join(parts))

    def set_aside(self, name: str) -> None:
        with self._explained("set aside"):
            target = self.with_name(name)
            keys = self._keys()
            for key in keys:
                with suppress(FileNotFoundError):  # another process did so before
                    self.filesystem.cp_file(key, target.key + key[len(self.key) :])
            self._remove(keys)

    def remove(self) -> None:
        with self._explained("remove"):
            self._remove([self.key])

    def remove_folder(self) -> None:
        with self._explained("remove"):
            self._remove(self._keys())

    def remove_empty_folder(self) -> None:
        pass

    def remove_leftovers(self, *prefixes: str) -> None:
        pass

    def _keys(self) -> list[str]:
        """This object and all objects below it, the nearest first: its record is among these."""
        keys: list[str] = self.filesystem.find(self.key)
        return sorted(keys, key=lambda key: (key.count("/"), key))

    def _remove(self, keys: list[str]) -> None:
        for key in keys:
            with suppress(FileNotFoundError):
                self.filesystem.rm_file(key)

    @contextmanager
    def _explained(self, action: str, *passing: type[OSError]) -> Iterator[None]:
        """Turns errors of the filesystem's libraries into StoreError, except those of the types `passing`."""
        try:
            yield
        except StoreError:
            raise
        except passing:
            raise
        except Exception as error:
            kinds = [remedy for kind, remedy in _REMEDIES.items() if isinstance(error, kind)]
            remedy = kinds[0] if kinds else _CREDENTIALS if "redential" in repr(error) else _OTHER_REMEDY
            reason = " ".join(str(error).split()) or type(error).__name__
            raise StoreError(f"cannot {action} {self}: {reason}", remedy=remedy) from error


def _status(error: BaseException) -> int | None:
    """The HTTP status of an S3 library's error; None where it has none."""
    cause = error.__cause__ or error
    response = getattr(cause, "response", None)
    metadata = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
    status = metadata.get("HTTPStatusCode")
    return status if isinstance(status, int) else None


def object_filesystem(scheme: str) -> AbstractFileSystem:
    """The filesystem for URLs of this scheme; sends no request. Raises RequestError where a package is missing."""
    import fsspec

    try:
        # A cached listing would hide what other processes have written since.
        filesystem = fsspec.filesystem(scheme, use_listings_cache=False, **_options(scheme))
    except ImportError as error:
        extra = "pip install 'bansweep[s3]'" if scheme.startswith("s3") else f"install fsspec's package ({error})"
        raise RequestError(f"stores at {scheme}:// need another package", remedy=extra) from error
    if scheme.startswith("s3"):
        # botocore retries requests already; s3fs adds retries only for answers that break off.
        filesystem.retries = 2
    return filesystem


def _options(scheme: str) -> dict[str, Any]:
    """A new dict at each call: botocore changes its arguments."""
    if not scheme.startswith("s3"):
        return {}
    return {
        "config_kwargs": {
            "retries": {"mode": "standard", "max_attempts": _ATTEMPTS},
            "connect_timeout": _CONNECT_TIMEOUT_S,
            "read_timeout": _READ_TIMEOUT_S,
        }
    }
