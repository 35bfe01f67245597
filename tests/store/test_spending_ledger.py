"""What runs of a sweep have spent, each in a file of its own."""

from __future__ import annotations

import pytest

from bansweep.errors import StoreError
from bansweep.store.spending_ledger import SpendingLedger
from bansweep.store.store import Store


def test_runs_add_up_also_side_by_side(store: Store) -> None:
    first, second = SpendingLedger(store, "sweep"), SpendingLedger(store, "sweep")
    assert first.total() == {}
    first.write({"a": 1.0})
    second.write({"a": 0.5, "b": 2.0})
    first.write({"a": 1.5})
    assert SpendingLedger(store, "sweep").total() == {"a": 2.0, "b": 2.0}
    assert first.others() == 2.5
    assert second.others() == 1.5
    assert SpendingLedger(store, "another").total() == {}


def test_a_damaged_one_is_named_rather_than_forgotten(store: Store) -> None:
    ledger = SpendingLedger(store, "sweep")
    ledger.write({"a": 1.0})
    (file,) = (store.directory / "sweeps" / "sweep" / "spent").iterdir()
    file.write_text("{}")
    with pytest.raises(StoreError, match=file.name):
        SpendingLedger(store, "sweep").others()


def test_nothing_is_written_of_nothing(store: Store) -> None:
    SpendingLedger(store, "sweep").write({})
    assert not store.directory.exists()
