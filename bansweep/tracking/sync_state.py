"""`tracking.json`: which generations MLflow is known to hold; and the lock for creating runs.

A cache that spares a finished sweep from asking (and importing) MLflow again. Losing it costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from bansweep.regular_file import read_regular

_LARGEST_BYTES = 256 << 20  # a line for each of 100,000 candidates is a tenth of it


class SyncState(BaseModel):
    """`complete` maps generation ids to the digests of their descriptions, `records` to those of what became of them,
    `parent` is that of the sweep's own run.

    A searched generation is complete once its candidates are. `candidates` has the digests of all that is said of each,
    so that a long search which did not get through at once goes on where it was; `ensembles` likewise.
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


def read_sync_state(path: Path, uri: str) -> SyncState:
    """What is known of the tracking server at `uri`: nothing, where the file is missing, damaged or of another."""
    try:
        marker = SyncState.model_validate_json(read_regular(path, _LARGEST_BYTES))
    except (OSError, ValidationError):
        return SyncState(uri=uri)
    return marker if marker.uri == uri else SyncState(uri=uri)


def lock_path(store_root: Path, sweep: str) -> Path:
    return sync_state_path(store_root, sweep).with_name("tracking.lock")


def write_sync_state(path: Path, marker: SyncState) -> None:
    """Replace the file at once. A store that cannot be written only loses the cache."""
    # Create a file under an unpredictable name: a pipe or a link under a known name would receive the text.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("x", encoding="utf-8") as file:
                file.write(marker.model_dump_json(indent=1) + "\n")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


_PATIENCE_S = 30.0  # the other one may be waiting for a server that does not answer


@contextlib.contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`. Where none can be had, go on: what stands twice is merged when it is next seen.

    A file system without locks, a store that cannot be written, or another process that takes too long are no reasons
    to send nothing. The operating system frees the lock of a process that dies.
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
