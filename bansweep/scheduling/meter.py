"""A sweep's spending while it runs: counted by a clock, and saved for the other runs of the sweep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from bansweep.graph.spending import Spending

_SAVE_INTERVAL_S = 5.0


class Ledger(Protocol):
    """Stores the hours of each run; see `bansweep.store.spending_ledger`."""

    def others(self) -> float: ...

    def write(self, hours: dict[str, float]) -> None: ...


class Meter:
    """Counts the device hours of trainings, by generation, and saves them every few seconds."""

    def __init__(
        self,
        limit_hours: float | None,
        ledger: Ledger | None,
        *,
        devices: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spending = Spending(limit_hours)
        self._ledger = ledger
        self._devices = devices
        self._clock = clock
        self._saved_at = clock()
        if ledger is not None:
            self._spending.others = ledger.others()

    @property
    def exhausted(self) -> bool:
        return self._spending.exhausted

    @property
    def hours(self) -> float:
        return self._spending.hours

    def begin(self, training: str, generation_id: str) -> None:
        self._spending.begin(training, generation_id, devices=self._devices, now=self._clock())

    def end(self, training: str) -> None:
        self._spending.end(training, self._clock())

    def tick(self) -> None:
        """Count until now; to be called often."""
        now = self._clock()
        self._spending.count(now)
        if now - self._saved_at >= _SAVE_INTERVAL_S:
            self.save()

    def save(self) -> None:
        """Save the hours of this run, and read those of the other runs of the sweep."""
        self._saved_at = self._clock()
        if self._ledger is not None:
            self._ledger.write(self._spending.by_generation)
            self._spending.others = self._ledger.others()
