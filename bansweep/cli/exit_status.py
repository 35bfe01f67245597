"""Exit statuses of the command, and Ctrl-C and SIGTERM as one exception."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType


class ExitStatus(IntEnum):
    DONE = 0
    FAILED = 1  # some generation failed; the others are finished and kept
    BAD_REQUEST = 2  # nothing was started
    TERMINATED = 75  # SIGTERM, or the budget is spent: the sweep can go on
    INTERRUPTED = 130  # Ctrl-C: the same command goes on


class Interrupted(KeyboardInterrupt):
    """Somebody wants the command to stop; what is finished stays."""

    def __init__(self, exit_status: ExitStatus) -> None:
        super().__init__(exit_status)
        self.exit_status = exit_status
        self.word = "terminated" if exit_status == ExitStatus.TERMINATED else "interrupted"


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into Interrupted. Side effect: SIGTERM's handler, meanwhile."""
    terminated = False

    def terminate(_signum: int, _frame: FrameType | None) -> None:
        # On the way out that libraries keep open for Ctrl-C. They may raise another KeyboardInterrupt instead of ours,
        # so which signal it was is kept here.
        nonlocal terminated
        terminated = True
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(ExitStatus.TERMINATED if terminated else ExitStatus.INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, previous)
