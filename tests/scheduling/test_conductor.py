"""A whole sweep with searches and a chain, from its beginning to its end."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from scheduling.simulation import SAME_CANDIDATES, WITHOUT_SEARCH, Simulation, course, plan_of, winners

from bansweep.graph.events import CandidateEnded, GenerationFailed, GenerationFinished, GenerationNotNeeded
from bansweep.scheduling.messages import Ended, Message, Outcome
from bansweep.scheduling.schedule import Task
from bansweep.store.store import Store


def test_every_generation_is_the_best_candidate_of_its_search(store: Store) -> None:
    plan = plan_of()
    simulation = Simulation(plan, store)
    simulation.run()
    outcomes = [event.outcome for event in simulation.events if isinstance(event, CandidateEnded)]
    assert len(outcomes) == 6 * 4
    assert outcomes.count("pruned") > 0
    for generation_id in plan.generations:
        record = store.record(generation_id)
        assert record is not None
        assert record.winner is not None
        finished = {one.number: one.value for one in record.candidates if one.outcome == "finished"}
        assert record.winner == min(finished, key=lambda number: (finished[number], number))
        assert sorted(one.number for one in record.candidates) == [1, 2, 3, 4]
        # The weights are the winner's, and the record says what that was.
        assert store.weights(generation_id) == record.trained.id.encode()
        assert record.trained.id == record.candidates[record.winner - 1].id
        histories = store.candidate_histories(generation_id)
        assert [len(histories[number]) for number in (1, 2, 3, 4)] == [one.epochs for one in record.candidates]
        assert store.history(generation_id) == histories[record.winner]
        assert record.metrics["validation_error"] == finished[record.winner]


def test_of_the_losers_nothing_but_their_history_is_kept(store: Store) -> None:
    Simulation(plan_of(), store, at_a_time=3, order=4).run()
    left = [path for path in store.candidates.directory.rglob("*") if path.is_file()]
    assert left == []


def test_columns_may_have_the_same_candidates(store: Store) -> None:
    plan = plan_of(SAME_CANDIDATES)
    a, b = plan.generations
    simulation = Simulation(plan, store, at_a_time=3, keep_all=frozenset([b]))
    simulation.run()
    record_a, record_b = store.record(a), store.record(b)
    assert record_a is not None
    assert record_b is not None
    assert [one.id for one in record_a.candidates] == [one.id for one in record_b.candidates]
    assert all(one.outcome == "finished" for one in record_b.candidates)
    assert set(store.candidates.ids()) == {one.id for one in record_b.candidates}, "one of them keeps all"


@pytest.mark.parametrize(("at_a_time", "order"), [(1, 0), (2, 1), (3, 2), (8, 3)])
def test_winners_depend_on_no_order(at_a_time: int, order: int, store: Store, tmp_path: Path) -> None:
    plan = plan_of()
    Simulation(plan, store).run()
    other = Store(tmp_path / "other")
    Simulation(plan, other, at_a_time=at_a_time, order=order).run()
    assert winners(plan, other) == winners(plan, store)


def test_students_start_while_other_rows_go_on(store: Store) -> None:
    plan = plan_of()
    simulation = Simulation(plan, store, at_a_time=3, order=1)
    simulation.run()
    rows = {cell.generation_id: cell.row for cell in plan.cells}
    kinds = [(rows[event.generation_id], type(event).__name__) for event in simulation.events]
    first_end = kinds.index(next(kind for kind in kinds if kind[1] == "GenerationFinished"))
    ended = kinds[first_end][0]
    student = next(i for i, kind in enumerate(kinds) if i > first_end and kind == (ended, "GenerationStarted"))
    others = {row for row, _ in kinds[student + 1 :]}
    assert len(others) == 2, "the other row still had work to do"


def test_events_tell_of_every_generation_once(store: Store) -> None:
    plan = plan_of()
    simulation = Simulation(plan, store, at_a_time=4)
    simulation.run()
    finished = [event.generation_id for event in simulation.events if isinstance(event, GenerationFinished)]
    assert sorted(finished) == sorted(plan.generations)


def test_a_chain_that_stops_improving_leaves_the_rest_out(store: Store) -> None:
    text = WITHOUT_SEARCH + "chain: {loss: kd, length: 6, stop: {patience: 1}}\n"
    plan = plan_of(text)
    simulation = Simulation(plan, store)
    simulation.run()
    left_out = {
        event.generation_id: event.cause for event in simulation.events if isinstance(event, GenerationNotNeeded)
    }
    assert left_out
    finished = store.finished(plan.generations)
    assert finished | set(left_out) == set(plan.generations)
    for row in plan.rows:
        ids = [cell.generation_id for cell in plan.cells if cell.row == row]
        values = [course(plan.generations[one])[-1] for one in ids if one in finished]
        assert all(later < former for former, later in pairwise(values[:-1]))
        if len(values) < 7:
            assert values[-1] >= min(values[:-1])
    again = Simulation(plan, store)
    again.run()
    assert again.epochs_trained == 0
    assert {event.generation_id for event in again.events} == set(left_out)


def test_candidates_that_diverge_lose_and_others_make_their_generation_fail(store: Store) -> None:
    plan = plan_of()
    teacher = next(iter(plan.generations))
    simulation = Simulation(plan, store)
    simulation.fails = lambda task: (
        "diverged" if task.generation_id == teacher and task.candidate and task.candidate.number < 2 else None
    )
    simulation.run()
    record = store.record(teacher)
    assert record is not None
    assert [one.outcome for one in record.candidates[:2]] == ["failed", "failed"]
    assert record.candidates[0].reason == "diverged"
    assert record.winner is not None
    assert record.winner >= 3


def test_a_lost_process_decides_no_search(store: Store) -> None:
    plan = plan_of()
    teacher = next(iter(plan.generations))
    simulation = Simulation(plan, store)
    simulation.fails = lambda task: (
        "the process died" if task.generation_id == teacher and task.candidate and task.candidate.number == 1 else None
    )
    simulation.run()
    (failed,) = [event for event in simulation.events if isinstance(event, GenerationFailed)]
    assert failed.generation_id == teacher
    assert "candidate 2" in failed.reason
    assert "the process died" in failed.reason
    assert store.record(teacher) is None
    again = Simulation(plan, store)
    again.run()
    assert store.record(teacher) is not None


def test_who_starts_when_the_generation_has_failed_is_stopped(store: Store) -> None:
    plan = plan_of()
    teacher = next(iter(plan.generations))
    simulation = Simulation(plan, store, at_a_time=4)
    simulation.fails = lambda task: (
        "the process died" if task.generation_id == teacher and task.candidate and task.candidate.number == 0 else None
    )
    simulation.run()
    assert [event.generation_id for event in simulation.events if isinstance(event, GenerationFailed)] == [teacher]
    other_row = {cell.generation_id for cell in plan.cells if cell.row == "wrn-16-1"}
    assert other_row <= store.finished(plan.generations)


@pytest.mark.parametrize("lost_results", [0, 2])
def test_a_candidate_whose_result_another_sweep_removes_is_trained_again_so_often(
    lost_results: int, store: Store
) -> None:
    plan = plan_of()
    teacher = next(iter(plan.generations))
    simulation = Simulation(plan, store, lost_results=lost_results)
    removed: list[Task] = []

    def removing(task: Task, message: Message) -> None:
        is_first = task.generation_id == teacher and task.candidate is not None and task.candidate.number == 0
        if is_first and message == Ended(Outcome.FINISHED):
            store.candidates.remove(task.id)
            removed.append(task)
        simulation.conductor.handle(task, message)

    simulation.report = removing
    simulation.run()
    assert len(removed) == 1 + lost_results
    assert [event.generation_id for event in simulation.events if isinstance(event, GenerationFailed)] == [teacher]
