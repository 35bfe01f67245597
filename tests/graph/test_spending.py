"""What a budget counts."""

from __future__ import annotations

import pytest

from bansweep.graph.spending import Spending, hours_in


def test_device_hours_by_generation() -> None:
    spending = Spending(2.0, others=0.25)
    spending.begin("a", "a", devices=2, now=0)
    spending.begin("candidate", "b", devices=0.5, now=900)
    spending.count(1800)
    assert spending.by_generation == pytest.approx({"a": 1.0, "b": 0.125})
    assert spending.hours == pytest.approx(1.375)
    assert not spending.exhausted
    spending.end("candidate", 3600)
    assert spending.by_generation == pytest.approx({"a": 2.0, "b": 0.375})
    assert spending.exhausted
    spending.end("a", 3600)
    spending.count(7200)
    assert spending.hours == pytest.approx(2.625), "what has ended holds nothing"


def test_a_training_that_begins_again_has_held_its_devices_in_between() -> None:
    spending = Spending(None)
    spending.begin("a", "a", devices=1, now=0)
    spending.begin("a", "a", devices=1, now=5400)  # its process was lost in between
    spending.end("a", 7200)
    assert spending.hours == pytest.approx(2.0)
    assert not spending.exhausted


def test_nothing_may_be_spent_of_nothing() -> None:
    assert Spending(0.0).exhausted


@pytest.mark.parametrize(
    "document", [None, [], {}, {"device_hours": []}, {"device_hours": {"a": "x"}}, {"device_hours": {"a": -1}}]
)
def test_what_is_no_ledger_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="device_hours"):
        hours_in(document)
