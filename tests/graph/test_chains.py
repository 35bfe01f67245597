"""Where chains end, and what of a plan is then left."""

from __future__ import annotations

import math

import pytest

from bansweep.config.chain import Stop
from bansweep.config.reading import parse_sweep
from bansweep.data.fingerprint import data_identity
from bansweep.graph.chains import chain_ends, ends_after, without_ended
from bansweep.graph.expand import expand
from bansweep.graph.plan import Plan

SWEEP = """\
name: chained
data: {kind: digits, limit: 300, validation: 100}
recipe: wide-resnet
networks: [wrn-10-1, wrn-16-1]
chain: {loss: kd, length: 4, stop: {patience: 1}}
"""


def plan_of(text: str) -> Plan:
    sweep = parse_sweep(text)
    return expand(sweep, data_identity(sweep.data))


def ids_of(plan: Plan, row: str) -> dict[str, str]:
    return {cell.column: cell.generation_id for cell in plan.cells if cell.row == row}


def errors(*values: float) -> list[dict[str, float]]:
    return [{"validation_error": value} for value in values]


@pytest.mark.parametrize(
    ("values", "stop", "expected"),
    [
        ([5], Stop(), None),
        ([5, 4, 3], Stop(), None),
        ([5, 4, 4], Stop(), 2),
        ([5, 6], Stop(), 1),
        ([5, 6, 4, 5, 5], Stop(patience=2), 4),
        ([5, 6, 6], Stop(patience=2), 2),
        # Better by `min_delta` and no more, whatever the subtraction rounds to.
        ([12.5, 12.4], Stop(min_delta=0.1), 1),
        ([10.3, 10.2], Stop(min_delta=0.1), 1),
        ([10.3, 10.19], Stop(min_delta=0.1), None),
        ([0.3, math.nextafter(0.3, 0)], Stop(), None),
        ([5, 4.6, 4.2], Stop(min_delta=0.5), 1),
        ([5, 4.6, 4.2, 4.0], Stop(min_delta=0.5, patience=2), None),
        ([5, math.nan], Stop(), 1),
        ([math.nan, 5, 4], Stop(), None),
    ],
)
def test_a_chain_ends_when_it_stops_improving(values: list[float], stop: Stop, expected: int | None) -> None:
    assert ends_after(values, stop) == expected


def test_only_the_row_that_stopped_improving_is_cut_off() -> None:
    plan = plan_of(SWEEP)
    small, large = ids_of(plan, "wrn-10-1"), ids_of(plan, "wrn-16-1")
    columns = ["teacher", "ban-1", "ban-2", "ban-3", "ban-4"]
    metrics = dict(zip((small[name] for name in columns), errors(9, 8, 8), strict=False))
    metrics |= dict(zip((large[name] for name in columns), errors(9, 8, 7), strict=False))
    (end,) = chain_ends(plan, metrics)
    assert (end.chain.row, end.length, end.last, end.best) == ("wrn-10-1", 2, small["ban-2"], 1)
    left = without_ended(plan, [end])
    assert set(left.generations) == set(large.values()) | {small[name] for name in columns[:3]}
    members = {cell.row: cell.members for cell in left.ensembles}
    assert members["wrn-10-1"] == (small["ban-1"], small["ban-2"])
    assert len(members["wrn-16-1"]) == 4
    assert left.columns == plan.columns


def test_at_its_full_length_a_chain_is_not_cut_off() -> None:
    plan = plan_of(SWEEP)
    small = ids_of(plan, "wrn-10-1")
    columns = ["teacher", "ban-1", "ban-2", "ban-3", "ban-4"]
    metrics = dict(zip((small[name] for name in columns), errors(5, 4, 3, 2, 9), strict=True))
    assert chain_ends(plan, metrics) == ()


def test_what_something_else_needs_is_trained_all_the_same() -> None:
    plan = plan_of(SWEEP + "generations:\n  teacher: {loss: labels}\n  pupil: {loss: cwtm, teacher: ban-3}\n")
    small = ids_of(plan, "wrn-10-1")
    metrics = dict(zip([small["teacher"], small["ban-1"]], errors(5, 6), strict=True))
    left = without_ended(plan, chain_ends(plan, metrics))
    kept = {cell.column for cell in left.cells if cell.row == "wrn-10-1"}
    assert kept == {"teacher", "ban-1", "ban-2", "ban-3", "pupil"}
    assert small["ban-4"] not in left.generations


def test_without_a_stop_nothing_ends_early() -> None:
    plan = plan_of(SWEEP.replace(", stop: {patience: 1}", ""))
    metrics = {one: {"validation_error": 5.0} for one in plan.generations}
    assert chain_ends(plan, metrics) == ()
