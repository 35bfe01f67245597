"""The fsspec filesystem of an object store: how often and how long it tries, and which package it may lack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bansweep.errors import RequestError

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
