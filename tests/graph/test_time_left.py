"""The time left of a sweep, by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bansweep.config.reading import parse_sweep
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity
from bansweep.graph.operations import Images
from bansweep.graph.plan import Plan
from bansweep.graph.time_left import epoch_operations, epoch_seconds, sweep_time_left
from bansweep.graph.workload import DataSize, TeacherStorage

SWEEP = """\
name: chain
data: {kind: digits, limit: 300, validation: 100}
recipe: {base: wide-resnet, epochs: 10, batch_size: 50}
networks: [wrn-10-1, wrn-16-1]
generations:
  teacher: {loss: labels}
  ban: {loss: kd, teacher: teacher}
  ban-2: {loss: kd, teacher: ban}
"""


def plan_of(text: str = SWEEP) -> Plan:
    return expand(parse_sweep(text), DataIdentity(kind="digits", fingerprint="ab" * 32))


PLAN = plan_of()
IDS = {f"{cell.row}/{cell.column}": cell.generation_id for cell in PLAN.cells}
# An epoch takes a second with the smaller network, and three with the larger one.
SECONDS = {one: 1.0 if name.startswith("wrn-10-1") else 3.0 for name, one in IDS.items()}
WHOLE = dict.fromkeys(PLAN.generations, (10,))


def test_one_at_a_time_everything_adds_up() -> None:
    assert sweep_time_left(PLAN, WHOLE, SECONDS, at_a_time=1) == 3 * 10 * 1.0 + 3 * 10 * 3.0


def test_with_room_for_all_the_longest_chain_counts() -> None:
    assert sweep_time_left(PLAN, WHOLE, SECONDS, at_a_time=2) == 3 * 10 * 3.0
    remaining = {**WHOLE, IDS["wrn-16-1/teacher"]: (4,)}
    assert sweep_time_left(PLAN, remaining, SECONDS, at_a_time=2) == (4 + 10 + 10) * 3.0


def test_with_room_for_few_all_the_work_counts() -> None:
    """Five replicas of a chain of two, 20 s each, on three devices: 100 s of work take no less than 33.3 s."""
    plan = plan_of(
        SWEEP.split("  ban-2")[0].replace(
            "networks: [wrn-10-1, wrn-16-1]", "networks: [wrn-10-1]\nseeds: [0, 1, 2, 3, 4]"
        )
    )
    left = dict.fromkeys(plan.generations, (10,))
    assert sweep_time_left(plan, left, dict.fromkeys(left, 1.0), at_a_time=3) == pytest.approx(100 / 3)
    assert sweep_time_left(plan, left, dict.fromkeys(left, 1.0), at_a_time=9) == 20.0


def test_what_is_finished_takes_no_more_time_and_needs_no_measurement() -> None:
    assert sweep_time_left(PLAN, {IDS["wrn-10-1/ban-2"]: (2,)}, {IDS["wrn-10-1/ban-2"]: 1.5}, at_a_time=1) == 3.0
    assert sweep_time_left(PLAN, {}, {}, at_a_time=1) == 0.0
    assert sweep_time_left(PLAN, {IDS["wrn-10-1/ban"]: (0,)}, {}, at_a_time=1) == 0.0


def test_what_is_unknown_of_one_is_unknown_of_all() -> None:
    known = {one: seconds for one, seconds in SECONDS.items() if one != IDS["wrn-16-1/ban"]}
    assert sweep_time_left(PLAN, WHOLE, known, at_a_time=1) is None


@pytest.mark.parametrize(("at_a_time", "seconds"), [(1, 68.0), (4, 17.0), (8, 10.0), (100, 10.0)])
def test_of_a_search_every_candidate_counts(at_a_time: int, seconds: float) -> None:
    """Two candidates that have 3 and 5 epochs to go, and six that have not begun."""
    left = {IDS["wrn-10-1/teacher"]: (3, 5, 10, 10, 10, 10, 10, 10)}
    assert sweep_time_left(PLAN, left, SECONDS, at_a_time=at_a_time) == seconds


@given(
    st.lists(st.integers(0, 10), min_size=6, max_size=6),
    st.lists(st.floats(0.01, 100), min_size=6, max_size=6),
    st.integers(1, 8),
)
def test_the_time_left_is_between_the_work_shared_and_the_work_in_a_row(
    epochs: list[int], seconds: list[float], at_a_time: int
) -> None:
    left = {one: (epochs[number],) for number, one in enumerate(PLAN.generations)}
    each = dict(zip(PLAN.generations, seconds, strict=True))
    work = sum(count * second for count, second in zip(epochs, seconds, strict=True))
    told = sweep_time_left(PLAN, left, each, at_a_time=at_a_time)
    assert told is not None
    assert work / at_a_time * (1 - 1e-9) <= told <= work * (1 + 1e-9)


def test_the_closest_measurement_tells() -> None:
    operations = {one: seconds * 100 for one, seconds in SECONDS.items()}
    teacher = IDS["wrn-10-1/teacher"]
    # All that is known: 2 s for 100 multiply-adds, so 6 s for 300.
    assert epoch_seconds(PLAN, {teacher: 2.0}, operations) == {one: 2.0 * each for one, each in SECONDS.items()}
    # The same loss takes 5 s for 100; the larger network, by the median of both, 3.5 s for 100.
    told = epoch_seconds(PLAN, {teacher: 2.0, IDS["wrn-10-1/ban"]: 5.0}, operations)
    assert told[teacher] == 2.0
    assert told[IDS["wrn-10-1/ban-2"]] == 5.0
    assert told[IDS["wrn-16-1/ban"]] == pytest.approx(10.5)


def test_without_counts_only_the_same_network_tells() -> None:
    told = epoch_seconds(PLAN, {IDS["wrn-10-1/teacher"]: 2.0}, {})
    assert told == {IDS[f"wrn-10-1/{column}"]: 2.0 for column in ("teacher", "ban", "ban-2")}
    assert epoch_seconds(PLAN, {}, dict.fromkeys(PLAN.generations, 1.0)) == {}


def test_a_student_of_a_network_like_its_own_costs_a_pass_more() -> None:
    """Three passes over 200 images and one over 100; a student's teacher answers 200 images besides. And 50 at the end,
    of which each epoch bears a tenth."""
    data = DataSize(Images(channels=1, height=8, width=8, classes=10), training=200, evaluation=100, test=50)
    operations = epoch_operations(PLAN, data, TeacherStorage(0, 0))
    assert set(operations) == set(PLAN.generations)
    teacher, ban = operations[IDS["wrn-10-1/teacher"]], operations[IDS["wrn-10-1/ban"]]
    assert ban / teacher == pytest.approx((4 * 200 + 100 + 5) / (3 * 200 + 100 + 5))
    assert operations[IDS["wrn-10-1/ban-2"]] == ban
    assert epoch_operations(PLAN, None, TeacherStorage(0, 0)) == {}
