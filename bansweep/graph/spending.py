"""What a sweep has spent of its budget: device hours, by generation, over all attempts."""

from __future__ import annotations

from math import inf
from typing import Any

_SECONDS_AN_HOUR = 3600.0


class Spending:
    """Adds up how long trainings hold their devices. All times are readings of one clock, in seconds.

    `others` are the hours that other runs of the sweep have spent.
    """

    def __init__(self, limit_hours: float | None, others: float = 0.0) -> None:
        self.others = others
        self._limit = limit_hours
        self._hours: dict[str, float] = {}
        self._total = 0.0
        self._running: dict[str, tuple[str, float, float]] = {}

    def begin(self, training: str, generation_id: str, *, devices: float, now: float) -> None:
        """A training of a generation (or of a candidate of it) takes so many devices, fractions as such.

        One that begins again, because its process was lost, has held them in the meantime.
        """
        self.count(now)
        self._running[training] = generation_id, devices, now

    def count(self, now: float) -> None:
        """Add the time for which the running trainings have held their devices until now."""
        for training, (generation_id, devices, since) in self._running.items():
            hours = devices * max(0.0, now - since) / _SECONDS_AN_HOUR
            self._hours[generation_id] = self._hours.get(generation_id, 0.0) + hours
            self._total += hours
            self._running[training] = generation_id, devices, now

    def end(self, training: str, now: float) -> None:
        """A training holds its devices no longer."""
        self.count(now)
        self._running.pop(training, None)

    @property
    def hours(self) -> float:
        """Spent so far, by all runs."""
        return self.others + self._total

    @property
    def by_generation(self) -> dict[str, float]:
        """What this run has spent."""
        return dict(self._hours)

    @property
    def exhausted(self) -> bool:
        """Whether nothing new may start."""
        return self._limit is not None and self.hours >= self._limit


def hours_in(document: Any) -> dict[str, float]:
    """The hours by generation in a document that holds `by_generation`. Raises ValueError if it does not."""
    hours = document.get("device_hours") if isinstance(document, dict) else None
    if not isinstance(hours, dict) or not all(
        isinstance(one, int | float) and 0 <= one < inf for one in hours.values()
    ):
        raise ValueError("device_hours does not map generations to hours")
    return {str(key): float(value) for key, value in hours.items()}
