"""Where libraries' own output goes while a sweep runs: into a log file, not between a user and the table."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bansweep.errors import StoreError


@contextmanager
def stdout_to(log: Path) -> Iterator[None]:
    """Append everything that this process or its children write to standard output to `log` meanwhile.

    Ray prints there as it likes, and a reader of `--json` must find one document and nothing else. Works on the file
    descriptor, so that threads, native code and child processes are included.
    """
    try:
        file = log.open("ab")
    except OSError as error:
        raise StoreError(
            f"cannot write {log}: {error.strerror}", remedy="name a store that can be written with --store"
        ) from error
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with file:
            os.dup2(file.fileno(), 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
