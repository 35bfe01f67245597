"""What ensembles gain, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from bansweep.graph.plan import Plan
from bansweep.report.paired_differences import EnsembleGain, ensemble_gain
from bansweep.report.table import report_table

ROW = "densenet-80-80"


def gain_of(plan: Plan, memory: Any, row: str = ROW) -> EnsembleGain | None:
    table = report_table(plan, memory, paper=None)
    cell = table.cell(row, "ens*2")
    assert cell is not None
    ensembles = {one.replica_seed: one for one in plan.ensembles if one.row == row}

    def figure(generation_id: str) -> float | None:
        record = memory.record(generation_id)
        return None if record is None else record.metrics["test_error"]

    return ensemble_gain(plan, cell, table.seeds, ensembles, figure)


def test_members_are_compared_seed_by_seed(plan: Plan, memory: Any) -> None:
    # ban 17.0 and 17.1, ban-2 16.5 and 16.4 of two seeds; the third lacks ban-2. All predict the same: 50 %.
    gain = gain_of(plan, memory)
    assert gain is not None
    assert gain.figure == 50.0
    assert gain.members == {"ban": pytest.approx(17.05), "ban-2": pytest.approx(16.45)}
    assert gain.from_average.values == (pytest.approx(50 - 16.75), pytest.approx(50 - 16.75), None)
    assert gain.from_best.values == (pytest.approx(50 - 16.5), pytest.approx(50 - 16.4), None)


def test_an_unfinished_ensemble_has_none(plan: Plan, memory: Any) -> None:
    assert gain_of(plan, memory, "densenet-80-120") is None
