"""The time left of a sweep, by hand."""

from __future__ import annotations

import pytest

from bansweep.plan.expand import expand
from bansweep.plan.generation import DataIdentity
from bansweep.plan.plan import Plan
from bansweep.plan.time_left import sweep_time_left
from bansweep.spec.reading import parse_sweep

SWEEP = """\
name: chain
data: {kind: digits, limit: 300, validation: 100}
recipe: {base: wide-resnet, epochs: 10}
networks: [wrn-10-1, wrn-16-1]
generations:
  teacher: {loss: labels}
  ban: {loss: kd, teacher: teacher}
  ban-2: {loss: kd, teacher: ban}
"""


def plan_of(text: str = SWEEP) -> Plan:
    return expand(parse_sweep(text), DataIdentity(kind="digits", fingerprint="ab" * 32))


def by_cell(plan: Plan) -> dict[str, str]:
    return {f"{cell.row}/{cell.column}": cell.generation_id for cell in plan.cells}


def left(plan: Plan) -> dict[str, int]:
    """All ten epochs of each generation, in the plan's order."""
    return dict.fromkeys(plan.generations, 10)


def test_one_at_a_time_everything_adds_up() -> None:
    plan = plan_of()
    ids = by_cell(plan)
    measured = {ids["wrn-10-1/teacher"]: 1.0, ids["wrn-16-1/teacher"]: 3.0}
    assert sweep_time_left(plan, left(plan), measured, at_a_time=1) == 3 * 10 * 1.0 + 3 * 10 * 3.0


def test_with_room_for_all_the_longest_chain_counts() -> None:
    plan = plan_of()
    ids = by_cell(plan)
    measured = {ids["wrn-10-1/teacher"]: 1.0, ids["wrn-16-1/teacher"]: 3.0}
    assert sweep_time_left(plan, left(plan), measured, at_a_time=2) == 3 * 10 * 3.0
    remaining = {**left(plan), ids["wrn-16-1/teacher"]: 4}
    assert sweep_time_left(plan, remaining, measured, at_a_time=2) == (4 + 10 + 10) * 3.0


def test_what_is_finished_takes_no_more_time() -> None:
    plan = plan_of()
    ids = by_cell(plan)
    assert sweep_time_left(plan, {ids["wrn-10-1/ban-2"]: 2}, {ids["wrn-10-1/ban-2"]: 1.5}, at_a_time=1) == 3.0
    assert sweep_time_left(plan, {}, {}, at_a_time=1) == 0.0


def test_the_same_loss_tells_more_than_another() -> None:
    plan = plan_of()
    ids = by_cell(plan)
    measured = {ids["wrn-10-1/teacher"]: 1.0, ids["wrn-10-1/ban"]: 2.0}
    assert sweep_time_left(plan, {ids["wrn-10-1/ban-2"]: 10}, measured, at_a_time=1) == 20.0


def test_what_nobody_has_measured_is_not_guessed() -> None:
    plan = plan_of()
    measured = {by_cell(plan)["wrn-10-1/teacher"]: 1.0}
    assert sweep_time_left(plan, left(plan), measured, at_a_time=1) is None


@pytest.mark.parametrize(("at_a_time", "seconds"), [(1, 80.0), (4, 20.0), (8, 10.0), (100, 10.0)])
def test_of_a_search_every_candidate_counts(at_a_time: int, seconds: float) -> None:
    text = SWEEP.replace("networks: [wrn-10-1, wrn-16-1]", "networks: [wrn-10-1]").split("  ban:")[0]
    plan = plan_of(f"{text}search: {{parameters: {{recipe.learning_rate: {{uniform: [0.1, 1]}}}}, candidates: 8}}\n")
    (generation_id,) = plan.generations
    assert sweep_time_left(plan, {generation_id: 10}, {generation_id: 1.0}, at_a_time=at_a_time) == seconds
