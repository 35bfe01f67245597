"""Where on this machine lies what cannot lie in an object store: a log while it is written, MLflow's own database."""

from __future__ import annotations

from pathlib import Path

from bansweep.data.cache import cache_folder
from bansweep.store.digests import sha256
from bansweep.store.store import Store


def local_folder(store: Store) -> Path:
    """The store's own folder; for an object store one below the cache. It need not exist yet."""
    return store.directory or cache_folder() / "stores" / sha256(store.location.encode())[:16]
