"""Exit statuses of the command, and Ctrl-C and SIGTERM as one exception."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType


class ExitStatus(IntEnum):
    DONE = 0
    FAILED = 1  # a generation failed; the others are finished and kept
    BAD_REQUEST = 2  # nothing was started
    TERMINATED = 75  # SIGTERM, or the budget is spent: the sweep can be resumed
    INTERRUPTED = 130  # Ctrl-C: the same command resumes


class Interrupted(KeyboardInterrupt):
    """The user or the system interrupted the command; finished generations stay."""

    def __init__(self, exit_status: ExitStatus) -> None:
        super().__init__(exit_status)
        self.exit_status = exit_status
        self.word = "terminated" if exit_status == ExitStatus.TERMINATED else "interrupted"


@contextmanager
def interruptible() -> Iterator[None]:
    """Turns Ctrl-C and SIGTERM into Interrupted. Side effect: SIGTERM's handler, until the block ends."""
    terminated = False

    def terminate(_signum: int, _frame: FrameType | None) -> None:
        # Libraries clean up after KeyboardInterrupt. They may raise another one instead of this, so remember the
        # signal here.
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
