"""Redirects library output to a log file while a sweep runs."""

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
    """Redirects the output of this process and its children to the sweep's run.log, until the block ends.

    Outside the main thread nothing is redirected, because the program's other threads print, too. An object store gets
    the log at the end, under a separate name for each run.
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
        with file, _redirected_to(file.fileno()) if in_main_thread else nullcontext():
            yield RunLog(log, os.fstat(file.fileno()).st_size)
    finally:
        if store.directory is None:
            with suppress(StoreError, OSError):  # no result depends on it
                store.write_sweep_file(sweep, log.name, log.read_text(errors="replace"))


def messages_stream() -> TextIO:
    """The current standard error, for bansweep's messages: `run_log` does not redirect it."""
    try:
        if sys.stderr.fileno() != _STDERR:  # a notebook's reports the descriptor of another file
            return sys.stderr
        descriptor = os.dup(_STDERR)
    except (OSError, ValueError, AttributeError):  # replaced by an object that is not a file
        return sys.stderr
    return open(descriptor, "w", encoding=sys.stderr.encoding, errors="replace", buffering=1)  # noqa: PTH123


@contextmanager
def _redirected_to(target: int) -> Iterator[None]:
    """Redirects standard output and error of this process and its children to `target`, until the block ends.

    Ray and MLflow print at any time, and `--json` must print one document and nothing else. File descriptors are
    redirected, which includes threads, native code and child processes.
    """
    with ExitStack() as stack:
        for stream, descriptor in ((sys.stdout, _STDOUT), (sys.stderr, _STDERR)):
            stream.flush()
            kept = os.dup(descriptor)
            os.dup2(target, descriptor)
            stack.callback(_restore, stream, kept, descriptor)
        yield


def _restore(stream: TextIO, kept: int, descriptor: int) -> None:
    with suppress(OSError):
        stream.flush()
    os.dup2(kept, descriptor)
    os.close(kept)
