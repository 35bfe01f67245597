"""What a sweep has spent of its budget: device hours, by generation, over all attempts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SECONDS_AN_HOUR = 3600.0


class Spending:
    """Adds up how long trainings hold their devices. Times are those of one clock, in seconds.

    `before` has the hours of earlier runs of the sweep, by generation.
    """

    def __init__(self, limit_hours: float | None, before: Mapping[str, float]) -> None:
        self._limit = limit_hours
        self._hours = dict(before)
        self._running: dict[str, tuple[str, float, float]] = {}

    def begin(self, training: str, generation_id: str, *, devices: float, now: float) -> None:
        """A training of a generation (or of a candidate of it) takes so many devices, fractions as such."""
        self._running[training] = generation_id, devices, now

    def count(self, now: float) -> None:
        """Add what the running trainings have held until now."""
        for training, (generation_id, devices, since) in self._running.items():
            hours = devices * max(0.0, now - since) / _SECONDS_AN_HOUR
            self._hours[generation_id] = self._hours.get(generation_id, 0.0) + hours
            self._running[training] = generation_id, devices, now

    def end(self, training: str, now: float) -> None:
        """A training holds its devices no longer."""
        self.count(now)
        self._running.pop(training, None)

    @property
    def hours(self) -> float:
        """Spent so far, by all."""
        return sum(self._hours.values())

    @property
    def by_generation(self) -> dict[str, float]:
        return dict(self._hours)

    @property
    def exhausted(self) -> bool:
        """Whether nothing new may start."""
        return self._limit is not None and self.hours >= self._limit


def hours_in(document: Any) -> dict[str, float]:
    """The hours by generation in a document that `by_generation` was kept in; empty where it is none."""
    hours = document.get("device_hours") if isinstance(document, dict) else None
    if not isinstance(hours, dict):
        return {}
    return {str(key): float(value) for key, value in hours.items() if isinstance(value, int | float) and value >= 0}
