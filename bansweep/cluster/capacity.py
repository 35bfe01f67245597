"""How many generations may run at a time, on a cluster that grows and shrinks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from bansweep.cluster.allocation import Allocation, concurrency

_LOOK_INTERVAL_S = 5.0


class Capacity:
    """What `nodes` hold now, as of a few seconds ago: never less than one, so that something asks for a node."""

    def __init__(
        self,
        allocation: Allocation,
        nodes: Callable[[], Sequence[Mapping[str, float]]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allocation = allocation
        self._nodes = nodes
        self._clock = clock
        self._looked_at = float("-inf")
        self._concurrency = 1

    def __call__(self) -> int:
        now = self._clock()
        if now - self._looked_at >= _LOOK_INTERVAL_S:
            self._looked_at = now
            self._concurrency = max(1, concurrency(self._allocation, self._nodes()))
        return self._concurrency
