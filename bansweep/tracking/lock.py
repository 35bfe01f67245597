"""Creating runs one process at a time: of two that ask at once, MLflow gives each a run of the same generation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

_PATIENCE_S = 30.0  # the other one may be waiting for a server that does not answer


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
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
