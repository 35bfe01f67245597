"""`tracking.json`: which generations MLflow is known to hold; and the lock for creating runs.

A cache that saves a finished sweep from importing and asking MLflow again. Losing it only costs time.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from bansweep.regular_file import read_regular

_LARGEST_BYTES = 256 << 20  # a line for each of 100,000 candidates is a tenth of it

_PATIENCE_S = 30.0  # the holder may be waiting for a server that does not answer


class SyncState(BaseModel):
    """`complete` maps generation ids to the digests of their descriptions, `records` to those of their results.
    `parent` is the digest of the sweep's own run.

    A searched generation is complete once its candidates are. `candidates` has a digest for each, so that an
    interrupted backfill of a long search resumes where it stopped; `ensembles` likewise.
    """

    uri: str
    experiment_id: str = ""
    complete: dict[str, str] = Field(default_factory=dict)
    records: dict[str, str] = Field(default_factory=dict)
    candidates: dict[str, str] = Field(default_factory=dict)
    ensembles: dict[str, str] = Field(default_factory=dict)
    parent: str = ""
    models: dict[str, str] = Field(default_factory=dict)


def sync_state_path(store_root: Path, sweep: str) -> Path:
    return store_root / "sweeps" / sweep / "tracking.json"


def lock_path(store_root: Path, sweep: str) -> Path:
    return sync_state_path(store_root, sweep).with_name("tracking.lock")


def read_sync_state(path: Path, uri: str) -> SyncState:
    """The sync state for the server at `uri`; empty if the file is missing, damaged or of another server."""
    try:
        sync_state = SyncState.model_validate_json(read_regular(path, _LARGEST_BYTES))
    except (OSError, ValidationError):
        return SyncState(uri=uri)
    return sync_state if sync_state.uri == uri else SyncState(uri=uri)


def write_sync_state(path: Path, sync_state: SyncState) -> None:
    """Replaces the file atomically. If the store cannot be written, only the cache is lost."""
    # Create a file under an unpredictable name: a pipe or a link under a known name would receive the text.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("x", encoding="utf-8") as file:
                file.write(sync_state.model_dump_json(indent=1) + "\n")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Holds the lock file at `path`, or continues without it: later merges remove duplicates.

    A file system without locks, a store that cannot be written, or another process that takes too long must not prevent
    sending. The operating system frees the lock of a process that dies.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_PATIENCE_S)
    except (OSError, NotImplementedError, Timeout):
        yield
        return
    try:
        yield
    finally:
        lock.release()
