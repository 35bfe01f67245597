"""Where libraries' own output goes while a sweep runs: into a log file, not between a user and the table."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bansweep.cli.local_folder import local_folder
from bansweep.errors import StoreError
from bansweep.store.store import Store

_NAME = "run.log"


@contextmanager
def run_log(store: Store, sweep: str) -> Iterator[None]:
    """Add what libraries print meanwhile to the sweep's run.log, which an object store gets at the end."""
    log = local_folder(store) / "sweeps" / sweep / _NAME
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(log, error) from error
    try:
        with stdout_to(log):
            yield
    finally:
        if store.directory is None:
            with suppress(StoreError, OSError):  # nobody's result depends on it
                store.write_sweep_file(sweep, _NAME, log.read_text(errors="replace"))


@contextmanager
def stdout_to(log: Path) -> Iterator[None]:
    """Append everything that this process or its children write to standard output to `log` meanwhile.

    Ray prints there as it likes, and a reader of `--json` must find one document and nothing else. Works on the file
    descriptor, so that threads, native code and child processes are included.
    """
    try:
        file = log.open("ab")
    except OSError as error:
        raise _unwritable(log, error) from error
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


def _unwritable(log: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot write {log}: {error.strerror}", remedy="name a store that can be written with --store")
