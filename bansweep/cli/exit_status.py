"""What the command's exit status says."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    DONE = 0
    FAILED = 1  # some generation failed; the others are finished and kept
    BAD_REQUEST = 2  # nothing was started
    TERMINATED = 75  # SIGTERM, or the budget is spent: the sweep can go on
    INTERRUPTED = 130  # Ctrl-C: the same command goes on
