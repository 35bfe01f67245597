"""Where libraries' own output goes while a sweep runs: into a log file, not between a user and the table."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from bansweep.data.cache import CACHE_VARIABLE
from bansweep.errors import StoreError
from bansweep.regular_file import append_regular
from bansweep.service.request import local_folder
from bansweep.store.store import Store

_STDOUT, _STDERR = 1, 2


@dataclass(frozen=True)
class RunLog:
    """A log file, and how long it was before this run."""

    path: Path
    bytes_before: int

    @property
    def has_grown(self) -> bool:
        try:
            return self.path.stat().st_size > self.bytes_before
        except OSError:
            return False


@contextmanager
def run_log(store: Store, sweep: str) -> Iterator[RunLog]:
    """Add what this process and its children print meanwhile to the sweep's run.log.

    In another thread than the main one nothing is redirected: the program's other threads print, too. An object store
    gets the log at the end, under a name of its own for each run.
    """
    log = local_folder(store) / "sweeps" / sweep / "run.log"
    remedy = "name a store that can be written with --store"
    if store.directory is None:
        log = log.with_name(f"run-{datetime.now(UTC):%Y%m%d-%H%M%S}.log")
        remedy = f"set {CACHE_VARIABLE} to a folder that can be written"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        file = append_regular(log)
    except OSError as error:
        raise StoreError(f"cannot write {log}: {error.strerror}", remedy=remedy) from error
    try:
        in_main_thread = threading.current_thread() is threading.main_thread()
        with file, _pointing_to(file.fileno()) if in_main_thread else nullcontext():
            yield RunLog(log, os.fstat(file.fileno()).st_size)
    finally:
        if store.directory is None:
            with suppress(StoreError, OSError):  # nobody's result depends on it
                store.write_sweep_file(sweep, log.name, log.read_text(errors="replace"))


def messages_stream() -> TextIO:
    """Standard error as it is now, for messages of ours: `run_log` does not take it away."""
    try:
        if sys.stderr.fileno() != _STDERR:  # a notebook's names the file that it would print to without the notebook
            return sys.stderr
        descriptor = os.dup(_STDERR)
    except (OSError, ValueError, AttributeError):  # a test's is no file
        return sys.stderr
    return open(descriptor, "w", encoding=sys.stderr.encoding, errors="replace", buffering=1)  # noqa: PTH123


@contextmanager
def _pointing_to(target: int) -> Iterator[None]:
    """Let what this process and its children write to standard output and error go to `target` meanwhile.

    Ray and MLflow print there as they like, and a reader of `--json` must find one document and nothing else. Works on
    file descriptors, so that threads, native code and child processes are included.
    """
    with ExitStack() as stack:
        for stream, descriptor in ((sys.stdout, _STDOUT), (sys.stderr, _STDERR)):
            stream.flush()
            kept = os.dup(descriptor)
            os.dup2(target, descriptor)
            stack.callback(_put_back, stream, kept, descriptor)
        yield


def _put_back(stream: TextIO, kept: int, descriptor: int) -> None:
    with suppress(OSError):
        stream.flush()
    os.dup2(kept, descriptor)
    os.close(kept)
