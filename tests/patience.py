"""How long tests wait for other processes, threads and servers: one scale for all of them.

Two quiet cores are the yardstick. Under a load of 20 a process gets a tenth of them, and a busy disk costs as much
again: what takes a second on a quiet machine may take `SLOWDOWN` seconds. Tests wait for conditions. A limit only ends
a test that hangs, so a generous one costs no time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

SLOWDOWN = 20

PROCESS_S = 25.0 * SLOWDOWN
"""For what takes at most 25 seconds on a quiet machine: a process that imports PyTorch or MLflow, a server, a thread.
pytest ends a test without Ray a little later (`timeout` in pyproject.toml)."""

SWEEP_S = 75.0 * SLOWDOWN
"""For what takes at most 75 seconds on a quiet machine: a command that starts Ray and trains a small sweep."""

RAY_TEST_S = 3 * SWEEP_S
"""When pytest ends a test that is marked `ray` (conftest.py), which may run several such commands."""


def wait_for(condition: Callable[[], object], limit_s: float = PROCESS_S) -> None:
    """Wait until `condition()` is true. Raises AssertionError after `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"the condition did not become true within {limit_s:.0f} s"
        time.sleep(0.02)
