"""From where a user says that a store is, a folder or a URL, to the path of its root."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bansweep.errors import RequestError
from bansweep.store.local_path import LocalPath
from bansweep.store.object_path import ObjectPath
from bansweep.store.paths import StorePath

# fsspec and the packages behind it are imported for a URL only: `bansweep plan` on a folder starts at once.

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://(.*)", re.DOTALL)

# A request is tried so often, with growing pauses: about half a minute, in which a server may be restarted.
_ATTEMPTS = 8

_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {"config_kwargs": {"retries": {"mode": "standard", "max_attempts": _ATTEMPTS}, "connect_timeout": 10}},
}


def is_url(location: str) -> bool:
    """Whether it names an object store, and no folder."""
    match = _URL.fullmatch(location)
    return match is not None and match[1] != "file"


def store_path(location: str | Path) -> StorePath:
    """The root of the store at `location`. Nothing is looked at. Raises RequestError where that cannot be a store's."""
    text = str(location)
    if not is_url(text):
        # Absolute: Ray's workers change their directory.
        return LocalPath(Path(text.removeprefix("file://")).absolute())
    if urlsplit(text).username or urlsplit(text).password:
        raise RequestError(
            "the store's URL holds credentials, which would be seen in logs and in lists of processes",
            remedy="leave them out and set them in the environment (for S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)",
        )
    scheme, key = text.split("://", 1)
    parts = [part for part in key.split("/") if part]
    if not parts or {".", ".."} & set(parts) or re.search(r"[?#\x00-\x1f]", key):
        raise RequestError(
            f"{text!r} cannot be a store", remedy="an object store is named with its bucket: s3://BUCKET/FOLDER"
        )
    filesystem = _filesystem(scheme)
    return ObjectPath(filesystem, scheme, filesystem._strip_protocol(f"{scheme}://{'/'.join(parts)}"))


def _filesystem(scheme: str) -> Any:
    import fsspec

    try:
        # A listing that is remembered hides what other processes have written since.
        return fsspec.filesystem(scheme, use_listings_cache=False, **_OPTIONS.get(scheme, {}))
    except ImportError as error:
        extra = "pip install 'bansweep[s3]'" if scheme == "s3" else f"install fsspec's package for it ({error})"
        raise RequestError(f"stores at {scheme}:// need another package", remedy=extra) from error
    except ValueError as error:
        raise RequestError(
            f"{scheme}:// is no kind of store that is known",
            remedy="name a folder, or a URL such as s3://BUCKET/FOLDER",
        ) from error
