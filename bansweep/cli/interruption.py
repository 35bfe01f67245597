"""Ctrl-C and SIGTERM as one exception, with the exit status that tells them apart."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from bansweep.cli.exit_status import ExitStatus


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
