"""Stores in object stores (S3 and compatible ones, Google's, Azure's), through fsspec.

An object appears at once and whole, and can be created on the condition that there is none of its name; folders are no
more than beginnings of names. So there is nothing to rename and nothing to leave half written.
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

# A server that is restarted is waited for: so many tries with growing pauses, half a minute in all. One that takes
# requests and answers nothing is given up after some four minutes.
_ATTEMPTS = 6
_CONNECT_TIMEOUT_S = 10
_READ_TIMEOUT_S = 15


def object_filesystem(scheme: str) -> AbstractFileSystem:
    """The filesystem for URLs of this scheme; nothing is asked of it yet. Raises RequestError where a package lacks."""
    import fsspec

    try:
        # A listing that is remembered hides what other processes have written since.
        filesystem = fsspec.filesystem(scheme, use_listings_cache=False, **_options(scheme))
    except ImportError as error:
        extra = "pip install 'bansweep[s3]'" if scheme.startswith("s3") else f"install fsspec's package ({error})"
        raise RequestError(f"stores at {scheme}:// need another package", remedy=extra) from error
    if scheme.startswith("s3"):
        # s3fs repeats what the library below it has repeated already, except for an answer that breaks off.
        filesystem.retries = 2
    return filesystem


def _options(scheme: str) -> dict[str, Any]:
    """New ones at each call: botocore changes what it is given."""
    if not scheme.startswith("s3"):
        return {}
    return {
        "config_kwargs": {
            "retries": {"mode": "standard", "max_attempts": _ATTEMPTS},
            "connect_timeout": _CONNECT_TIMEOUT_S,
            "read_timeout": _READ_TIMEOUT_S,
        }
    }


_CREDENTIALS = "see that the environment has credentials for it (for S3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
_REMEDIES = {
    PermissionError: f"{_CREDENTIALS} that may read and write there, or choose another store with --store",
    FileNotFoundError: "create its bucket, or choose another store with --store",
}
_OTHER_REMEDY = "check its address (for S3: AWS_ENDPOINT_URL) and the network, or choose another store with --store"

# HTTP's statuses where a name is taken: Precondition Failed, and Conflict with a write at the same moment.
_TAKEN = (409, 412)

# Known to refuse to create what there is already; whoever does not would give one claim to two.
_exclusive: set[str] = set()


@dataclass(frozen=True)
class ObjectPath(StorePath):
    """An object or the beginning of objects' names; `key` is as `filesystem`, which keeps no listings, names them."""

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
            # An attempt whose answer was lost has created it all the same, and the next one found that.
            try:
                return self.read() == content
            except FileNotFoundError:  # whose it was, it is gone again
                return False

    def _is_created(self, content: bytes) -> bool:
        try:
            self.filesystem.pipe_file(self.key, content, mode="create")
        except OSError as error:
            # What it answers for a name that is taken differs between servers.
            if isinstance(error, FileExistsError) or _status(error) in _TAKEN or self.filesystem.exists(self.key):
                return False
            raise
        return True

    def _check_exclusive(self, content: bytes) -> None:
        """Once for each bucket: what was just created cannot be created again."""
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

    def replace(self, *parts: bytes, durable: bool = True) -> None:  # noqa: ARG002  # all that is there is durable
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
        """All objects that this is, or that lie below it: those nearest to it first, its record among them."""
        keys: list[str] = self.filesystem.find(self.key)
        return sorted(keys, key=lambda key: (key.count("/"), key))

    def _remove(self, keys: list[str]) -> None:
        for key in keys:
            with suppress(FileNotFoundError):
                self.filesystem.rm_file(key)

    @contextmanager
    def _explained(self, action: str, *passing: type[OSError]) -> Iterator[None]:
        """Turns whatever the filesystem's libraries raise into StoreError, except errors of the types `passing`."""
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
    """The HTTP status that an S3 library's error comes from, where it has one."""
    cause = error.__cause__ or error
    response = getattr(cause, "response", None)
    metadata = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
    status = metadata.get("HTTPStatusCode")
    return status if isinstance(status, int) else None
