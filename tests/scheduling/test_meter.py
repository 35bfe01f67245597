"""The meter between a clock, the ledger and the budget."""

from __future__ import annotations

import pytest

from bansweep.scheduling.meter import Meter


class Ledger:
    """What `SpendingLedger` does, in memory."""

    def __init__(self, others: float) -> None:
        self.spent_by_others = others
        self.written: list[dict[str, float]] = []

    def others(self) -> float:
        return self.spent_by_others

    def write(self, hours: dict[str, float]) -> None:
        self.written.append(hours)


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_time_counts_while_nothing_happens_and_is_kept_every_few_seconds() -> None:
    clock, ledger = Time(), Ledger(others=0.0)
    meter = Meter(1.0, ledger, devices=2, clock=clock)
    meter.begin("t", "g")
    for clock.now in (1.0, 2.0, 4.9):
        meter.tick()
    assert ledger.written == []
    for clock.now in (5.0, 6.0, 1800.0):
        meter.tick()
    assert [list(one.values()) for one in ledger.written] == [
        [pytest.approx(2 * 5 / 3600)],
        [pytest.approx(1.0)],
    ]
    assert meter.exhausted


def test_what_other_runs_spend_meanwhile_counts_too() -> None:
    clock, ledger = Time(), Ledger(others=0.25)
    meter = Meter(1.0, ledger, clock=clock)
    assert meter.hours == 0.25
    ledger.spent_by_others = 1.0
    clock.now = 10.0
    assert not meter.exhausted
    meter.tick()
    assert meter.exhausted
