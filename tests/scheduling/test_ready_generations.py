"""The order in which generations become ready, against a straightforward recomputation."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bansweep.config.reading import parse_sweep
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import Plan
from bansweep.scheduling.schedule import ReadyGenerations, chain_lengths

DATA = DataIdentity(kind="digits", fingerprint="x")


def tree(teachers: list[int | None]) -> Plan:
    """A plan whose column i learns from column teachers[i] (None: from labels)."""
    columns = "".join(
        f"  c{i}: {{loss: labels, seed: {i}}}\n"
        if teacher is None
        else f"  c{i}: {{loss: kd, teacher: c{teacher}, seed: {i}}}\n"
        for i, teacher in enumerate(teachers)
    )
    text = f"name: tree\ndata: digits\nrecipe: wide-resnet\nnetworks: [wrn-10-1]\ngenerations:\n{columns}"
    return expand(parse_sweep(text), DATA)


def ids_of(plan: Plan) -> dict[str, str]:
    return {cell.column: cell.generation_id for cell in plan.cells}


def test_a_student_is_ready_when_its_teacher_is_finished() -> None:
    plan = tree([None, 0, 1])
    ids = ids_of(plan)
    ready = ReadyGenerations(plan)
    assert ready.take() == ids["c0"]
    assert ready.take() is None
    ready.finish(ids["c0"])
    assert ready.take() == ids["c1"]


def test_what_is_not_needed_is_not_blocked_as_well() -> None:
    plan = tree([None, 0, 0])
    ids = ids_of(plan)
    ready = ReadyGenerations(plan)
    assert ready.take() == ids["c0"]
    ready.drop([ids["c2"]])
    assert ready.fail(ids["c0"]) == (ids["c1"],)


def test_the_longest_chain_goes_first() -> None:
    plan = tree([None, None, 1, 2])
    ids = ids_of(plan)
    assert chain_lengths(plan) == {ids["c0"]: 1, ids["c1"]: 3, ids["c2"]: 2, ids["c3"]: 1}
    assert ReadyGenerations(plan).take() == ids["c1"]


def test_a_failure_blocks_its_descendants_only() -> None:
    plan = tree([None, 0, 1, 0, None])
    ids = ids_of(plan)
    ready = ReadyGenerations(plan, finished=[ids["c0"]])
    running = {ready.take(), ready.take(), ready.take()}
    assert running == {ids["c1"], ids["c3"], ids["c4"]}
    assert ready.fail(ids["c1"]) == (ids["c2"],)
    ready.finish(ids["c3"])
    ready.finish(ids["c4"])
    assert ready.take() is None


def test_what_is_finished_is_never_handed_out_again() -> None:
    plan = tree([None, 0, 1])
    ids = ids_of(plan)
    ready = ReadyGenerations(plan, finished=[ids["c0"], ids["c1"]])
    assert ready.take() == ids["c2"]
    assert ReadyGenerations(plan, finished=plan.generations).take() is None


@st.composite
def forests(draw: st.DrawFn) -> list[int | None]:
    size = draw(st.integers(1, 12))
    return [draw(st.one_of(st.none(), st.integers(0, i - 1))) if i else None for i in range(size)]


@settings(max_examples=100, deadline=None)
@given(forests(), st.data())
def test_any_run_ends_with_everything_finished_failed_or_blocked(
    teachers: list[int | None], data: st.DataObject
) -> None:
    plan = tree(teachers)
    ready = ReadyGenerations(plan)
    running: list[str] = []
    finished: list[str] = []
    failed: list[str] = []
    cause_of: dict[str, str] = {}
    while running or ready.ready:
        while data.draw(st.booleans()) and (taken := ready.take()) is not None:
            teacher = plan.generations[taken].teacher
            assert teacher is None or teacher in finished
            assert taken not in running
            running.append(taken)
        if not running:
            if (taken := ready.take()) is not None:
                running.append(taken)
            continue
        ended = running.pop(data.draw(st.integers(0, len(running) - 1)))
        if data.draw(st.booleans()):
            ready.finish(ended)
            finished.append(ended)
        else:
            blocked = ready.fail(ended)
            assert not cause_of.keys() & set(blocked), "told twice"
            cause_of |= dict.fromkeys(blocked, ended)
            failed.append(ended)
    assert ready.take() is None
    assert sorted([*finished, *failed, *cause_of]) == sorted(plan.generations)
    for blocked_id, cause in cause_of.items():
        ancestors, at = set(), plan.generations[blocked_id].teacher
        while at is not None:
            ancestors.add(at)
            at = plan.generations[at].teacher
        assert cause in ancestors
