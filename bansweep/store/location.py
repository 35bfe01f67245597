"""A store's location as a user names it, a folder or a URL: validates it and opens its root."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from bansweep.errors import RequestError
from bansweep.store.local_path import LocalPath
from bansweep.store.object_path import SCHEMES, ObjectPath, object_filesystem
from bansweep.store.paths import StorePath

# fsspec and its packages are imported only where a URL's store is opened: `bansweep plan` on a folder starts fast, and
# a laptop without them can submit a sweep to a cluster that has them.

DEFAULT_STORE = "bansweep-store"
"""The default store: a folder in the working directory."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?(.*)", re.DOTALL)
_FILE = "file"
_LOCAL_HOSTS = ("", "localhost")
_AZURE = ("az", "abfs", "abfss")


def store_location(location: str | Path) -> str:
    """Normalises a folder or an object store's URL: scheme in lower case, no redundant slashes. Opens nothing.

    `file://` URLs become folders. Raises RequestError for what cannot be a store: an unknown scheme, a URL without a
    bucket, with credentials, or with characters that mean something else in a URL.
    """
    text = str(location)
    match = _URL.fullmatch(text)
    scheme = match[1].lower() if match else ""
    if match is None or (not match[2] and scheme not in (*SCHEMES, _FILE)):
        return _folder(Path(text))
    _check_no_credentials(f"{scheme}://{match[3].lstrip('/')}")
    if not match[2]:
        raise RequestError(
            f"{text!r} is neither a URL nor a plain folder",
            remedy=f"write {scheme}:// for a URL, or ./{text} for a folder of this name",
        )
    if scheme == _FILE:
        return _folder_of_url(text)
    if scheme not in SCHEMES:
        raise RequestError(
            f"{scheme}:// is no kind of store that is known",
            remedy="name a folder, or a URL such as s3://BUCKET/FOLDER; "
            f"known are {', '.join(SCHEMES[:-1])} and {SCHEMES[-1]}",
        )
    parts = [part for part in match[3].split("/") if part]
    if not parts or {".", ".."} & set(parts) or re.search(r"[?#\x00-\x1f]", match[3]):
        raise RequestError(
            f"{text!r} cannot be a store", remedy="an object store is named with its bucket: s3://BUCKET/FOLDER"
        )
    return f"{scheme}://{'/'.join(parts)}"


def is_url(location: str) -> bool:
    """Whether it names an object store, not a folder. Raises RequestError for what can be neither."""
    return store_location(location).partition("://")[0] in SCHEMES


def store_path(location: str | Path) -> StorePath:
    """The root of the store at `location`, without any access. Raises RequestError where that cannot be a store's."""
    text = store_location(location)
    if not is_url(text):
        # Absolute: Ray's workers change their directory.
        return LocalPath(Path(text).absolute())
    scheme = text.partition("://")[0]
    filesystem = object_filesystem(scheme)
    return ObjectPath(filesystem, scheme, filesystem._strip_protocol(text))


def _folder(path: Path) -> str:
    """As text that `store_location` reads as the same folder, even if its name looks like a URL."""
    return f"./{path}" if _URL.fullmatch(str(path)) else str(path)


def _folder_of_url(url: str) -> str:
    """RFC 8089: `file:///PATH`, percent-encoded."""
    host, slash, path = url.partition("://")[2].partition("/")
    if host not in _LOCAL_HOSTS or not path.strip("/") or re.search(r"[?#]|%00", path):
        raise RequestError(
            f"{url!r} names no folder", remedy="name the folder itself, or file:///FOLDER with all three slashes"
        )
    return str(Path(slash + unquote(path)))


def _check_no_credentials(url: str) -> None:
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    user, _, _ = bucket.rpartition("@")
    if scheme in _AZURE and user and ":" not in user:
        raise RequestError(
            f"{url!r} names an account, which a store's URL does not",
            remedy=f"name {scheme}://{user}/FOLDER, and set AZURE_STORAGE_ACCOUNT_NAME in the environment",
        )
    # A secret key may have slashes. An access point's ARN has colons.
    if user or (":" in bucket and not bucket.startswith("arn:") and "@" in key):
        raise RequestError(
            "the store's URL holds credentials, which would be seen in logs and in lists of processes",
            remedy="leave them out and set them in the environment (for S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)",
        )
