"""A whole sweep with searches and a chain, conducted without Ray: what trainings would report is made up, the store is
real."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bansweep.cluster.conductor import Conductor
from bansweep.cluster.meter import Meter
from bansweep.cluster.tpe import sampler_of
from bansweep.data.fingerprint import data_identity
from bansweep.plan.events import (
    CandidateEnded,
    CandidateStarted,
    EpochReport,
    GenerationFailed,
    GenerationFinished,
    GenerationNotNeeded,
    GenerationStopped,
    SweepEvent,
)
from bansweep.plan.expand import expand
from bansweep.plan.generation import Generation
from bansweep.plan.plan import Plan
from bansweep.plan.schedule import Task
from bansweep.spec.reading import parse_sweep
from bansweep.store.predictions import Predictions
from bansweep.store.progress import Progress
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store

EPOCHS = 4
SWEEP = """\
name: searched
data: {kind: digits, limit: 300, validation: 100}
recipe: {base: wide-resnet, epochs: 4}
networks: [wrn-10-1, wrn-16-1]
search:
  parameters: {recipe.learning_rate: {loguniform: [0.01, 1]}}
  candidates: 4
  pruner: asha
chain: {loss: kd, length: 2}
"""


def plan_of(text: str = SWEEP) -> Plan:
    sweep = parse_sweep(text)
    return expand(sweep, data_identity(sweep.data))


def course(generation: Generation) -> list[float]:
    """The validation errors of a training, as if it had happened: a function of what it is."""
    chance = random.Random(generation.id)
    return [chance.uniform(0, 50) for _ in range(EPOCHS)]


def trained(generation: Generation, history: Sequence[EpochReport]) -> GenerationRecord:
    return GenerationRecord(
        id=generation.id,
        generation=generation,
        label="x",
        input_shape=(1, 8, 8),
        classes=10,
        parameters=1,
        teacher_digest=None,
        metrics={**history[-1].metrics, "test_error": 1.0},
        training_seconds=4.0,
        started_at=0.0,
        finished_at=1.0,
        device="cpu",
        host="here",
        versions={},
    )


PREDICTIONS = Predictions(np.full((2, 2), 0.5, dtype=np.float32), np.array([0, 1]))


class Simulation:
    """Trains what a conductor says, so many at a time, an epoch of any of them after another."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        *,
        at_a_time: int = 2,
        order: int = 0,
        limit: float | None = None,
        keep_all: frozenset[str] = frozenset(),
    ):
        self.events: list[SweepEvent] = []
        self.epochs_trained = 0
        self.store = store
        self._order = random.Random(order)
        self._at_a_time = at_a_time
        self._now = 0.0
        self._running: dict[str, Task] = {}
        self._starting: set[str] = set()
        self.fails: Callable[[Task], str | None] = lambda _: None
        self.meter = Meter(limit, None, clock=lambda: self._now)
        self.conductor = Conductor(
            plan,
            store,
            sampler_of=sampler_of,
            emit=self.events.append,
            meter=self.meter,
            keep_all=keep_all,
            stop_at_limit=True,
        )

    def run(self, steps: int = 10_000) -> None:
        """Until nothing is left to do, or as if the driver had died after so many epochs."""
        for _ in range(steps):
            while len(self._running) < self._at_a_time and (task := self.conductor.next()) is not None:
                self._running[task.key] = task
                self._starting.add(task.key)
            if not self._running:
                assert self.conductor.done, "nothing runs and nothing comes: a sweep would hang"
                return
            self._step(self._order.choice(list(self._running.values())))

    def _step(self, task: Task) -> None:
        store, generation = self._store_of(task), self._generation(task)
        if task.key in self._starting:
            # A process of its own takes its time, in which others go on.
            self._starting.discard(task.key)
            if store.finished([task.id]) or (task.candidate and self.store.finished([task.generation_id])):
                del self._running[task.key]
                self.conductor.ended(task, "reused")
                return
            progress = store.load_progress(task.id)
            self.conductor.started(task, 0 if progress is None else progress.epochs_done)
            return
        if (reason := self.fails(task)) is not None:
            del self._running[task.key]
            self.conductor.ended(task, "failed", reason, diverged=reason == "diverged")
            return
        progress = store.load_progress(task.id)
        history = [] if progress is None else list(progress.history)
        epoch = len(history) + 1
        history.append(EpochReport(epoch, EPOCHS, 1.0, 0.0, {"validation_error": course(generation)[epoch - 1]}))
        store.save_progress(task.id, Progress(epoch, b"", tuple(history)))
        self.epochs_trained += 1
        self._now += 1.0
        self.conductor.epoch(task, history[-1])
        if epoch < EPOCHS and not store.is_asked_to_stop(task.id):
            return
        outcome = "stopped" if epoch < EPOCHS else "finished"
        if outcome == "finished":
            record = trained(generation, history)
            store.publish(record, weights=generation.id.encode(), history=history, predictions=PREDICTIONS)
            store.clear_progress(task.id)
        del self._running[task.key]
        self.conductor.ended(task, outcome)

    def _generation(self, task: Task) -> Generation:
        plan: Plan = self.conductor._plan
        return plan.generations[task.generation_id] if task.candidate is None else task.candidate.generation

    def _store_of(self, task: Task) -> Store:
        return self.store if task.candidate is None else self.store.candidates


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def winners(plan: Plan, store: Store) -> Mapping[str, tuple[object, ...]]:
    """What is recorded of each search."""
    found = {}
    for generation_id in plan.generations:
        record = store.record(generation_id)
        assert record is not None
        found[generation_id] = (record.winner, [one.model_dump(exclude={"seconds"}) for one in record.candidates])
    return found


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
    left = [path for path in store.candidates.root.rglob("*") if path.is_file()]
    assert left == []


@pytest.mark.parametrize(("at_a_time", "order"), [(1, 0), (2, 1), (3, 2), (8, 3)])
def test_winners_depend_on_no_order(at_a_time: int, order: int, store: Store, tmp_path: Path) -> None:
    plan = plan_of()
    Simulation(plan, store).run()
    other = Store(tmp_path / "other")
    Simulation(plan, other, at_a_time=at_a_time, order=order).run()
    assert winners(plan, other) == winners(plan, store)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.parametrize("steps", [3, 11, 24, 40])
def test_a_driver_that_dies_costs_nothing_that_was_saved(
    steps: int, sampler: str, store: Store, tmp_path: Path
) -> None:
    plan = plan_of(SWEEP.replace("candidates: 4", f"candidates: 4\n  sampler: {sampler}\n  parallel: 2"))
    undisturbed = Simulation(plan, Store(tmp_path / "undisturbed"), at_a_time=1)
    undisturbed.run()
    first = Simulation(plan, store, at_a_time=1)
    first.run(steps)
    done = store.finished(plan.generations)
    second = Simulation(plan, store, at_a_time=1)
    second.run()
    assert winners(plan, store) == winners(plan, undisturbed.store)
    assert first.epochs_trained + second.epochs_trained == undisturbed.epochs_trained
    assert not done & {event.generation_id for event in second.events if isinstance(event, CandidateStarted)}


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


def test_a_winner_whose_files_are_lost_is_trained_again(store: Store, tmp_path: Path) -> None:
    plan = plan_of()
    whole = Store(tmp_path / "whole")
    Simulation(plan, whole, at_a_time=1).run()
    teacher = next(iter(plan.generations))
    winner = winners(plan, whole)[teacher][0]
    simulation = Simulation(plan, store, at_a_time=1)
    epoch, publish = simulation.conductor.epoch, store.candidates
    assert publish.root.parent == store.root

    def damaging(task: Task, report: EpochReport) -> None:
        epoch(task, report)
        other = store.candidates.root / "generations"
        if task.candidate is not None and task.candidate.number == 3 and other.exists():
            for weights in other.rglob("weights.safetensors"):
                weights.write_bytes(b"damaged")

    simulation.conductor.epoch = damaging  # type: ignore[method-assign]
    simulation.run()
    record = store.record(teacher)
    assert record is not None
    assert record.winner == winner
    assert store.weights(teacher) == record.trained.id.encode()


def test_a_spent_budget_starts_nothing_and_a_larger_one_goes_on(store: Store, tmp_path: Path) -> None:
    plan = plan_of()
    nothing = Simulation(plan, store, limit=0.0)
    nothing.run()
    assert nothing.events == []
    some = Simulation(plan, store, limit=20 / 3600)
    some.run()
    assert some.epochs_trained > 0
    assert some.meter.hours >= 20 / 3600
    assert len(store.finished(plan.generations)) < len(plan.generations)
    assert not [event for event in some.events if isinstance(event, GenerationFailed)]
    rest = Simulation(plan, store)
    rest.run()
    whole = Store(tmp_path / "whole")
    undisturbed = Simulation(plan, whole)
    undisturbed.run()
    assert winners(plan, store) == winners(plan, whole)


def test_stopped_generations_without_a_search_go_on_later(store: Store) -> None:
    plan = plan_of(SWEEP.replace("search:", "unused:").split("unused:")[0] + "chain: {loss: kd, length: 2}\n")
    some = Simulation(plan, store, limit=6 / 3600)
    some.run()
    assert any(isinstance(event, GenerationStopped) for event in some.events)
    rest = Simulation(plan, store)
    rest.run()
    assert some.epochs_trained + rest.epochs_trained == len(plan.generations) * EPOCHS
    assert store.finished(plan.generations) == set(plan.generations)


def test_a_chain_that_stops_improving_leaves_the_rest_out(store: Store) -> None:
    text = SWEEP.split("search:")[0] + "chain: {loss: kd, length: 6, stop: {patience: 1}}\n"
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


def test_events_tell_of_every_generation_once(store: Store) -> None:
    plan = plan_of()
    simulation = Simulation(plan, store, at_a_time=4)
    simulation.run()
    finished = [event.generation_id for event in simulation.events if isinstance(event, GenerationFinished)]
    assert sorted(finished) == sorted(plan.generations)


def test_epochs_that_another_sweep_trained_are_heard_of(store: Store, tmp_path: Path) -> None:
    plan = plan_of()
    undisturbed = Simulation(plan, Store(tmp_path / "undisturbed"), at_a_time=1)
    undisturbed.run()
    simulation = Simulation(plan, store, at_a_time=1)
    started = simulation.conductor.started

    def after_others_trained(task: Task, epochs_done: int) -> None:
        # Between the suggestion and the start somebody else trained two epochs, and died.
        if task.candidate is not None and epochs_done == 0:
            errors = course(task.candidate.generation)[:2]
            history = [EpochReport(k, EPOCHS, 1.0, 0.0, {"validation_error": e}) for k, e in enumerate(errors, 1)]
            store.candidates.save_progress(task.id, Progress(2, b"", tuple(history)))
            epochs_done = 2
        started(task, epochs_done)

    simulation.conductor.started = after_others_trained  # type: ignore[method-assign]
    simulation.run()
    assert winners(plan, store) == winners(plan, undisturbed.store)


def test_an_epoch_that_nobody_told_of_is_heard_of_all_the_same(store: Store, tmp_path: Path) -> None:
    plan = plan_of()
    undisturbed = Simulation(plan, Store(tmp_path / "undisturbed"), at_a_time=1)
    undisturbed.run()
    simulation = Simulation(plan, store, at_a_time=1)
    epoch = simulation.conductor.epoch
    # As if a process had died between saving its second epoch and telling of it.
    simulation.conductor.epoch = (  # type: ignore[method-assign]
        lambda task, report: None if report.epoch == 2 else epoch(task, report)
    )
    simulation.run()
    assert winners(plan, store) == winners(plan, undisturbed.store)


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


def test_two_sweeps_with_one_search_train_it_once(store: Store, tmp_path: Path) -> None:
    plan = plan_of()
    alone = Simulation(plan, Store(tmp_path / "alone"))
    alone.run()
    first, second = Simulation(plan, store, order=1), Simulation(plan, store, order=2)
    chance = random.Random(5)
    for _ in range(2_000):
        # Claims see to it that no two train one thing at once: here they take turns.
        chance.choice([first, second]).run(1)
    first.run()
    second.run()
    assert winners(plan, store) == winners(plan, alone.store)
    assert not [event for one in (first, second) for event in one.events if isinstance(event, GenerationFailed)]
    third = Simulation(plan, store)
    third.run()
    assert third.epochs_trained == 0
    assert store.candidates.everything() == set()


def test_columns_may_have_the_same_candidates(store: Store) -> None:
    shared = "search: {parameters: {recipe.learning_rate: {loguniform: [0.01, 1]}}, candidates: 4"
    text = SWEEP.split("search:")[0].replace("[wrn-10-1, wrn-16-1]", "[wrn-10-1]") + (
        f"generations:\n  a: {{loss: labels, {shared}, pruner: asha}}}}\n  b: {{loss: labels, {shared}, keep: all}}}}\n"
    )
    plan = plan_of(text)
    a, b = plan.generations
    simulation = Simulation(plan, store, at_a_time=3, keep_all=frozenset([b]))
    simulation.run()
    record_a, record_b = store.record(a), store.record(b)
    assert record_a is not None
    assert record_b is not None
    assert [one.id for one in record_a.candidates] == [one.id for one in record_b.candidates]
    assert all(one.outcome == "finished" for one in record_b.candidates)
    assert set(store.candidates.ids()) == {one.id for one in record_b.candidates}, "one of them keeps all"


def test_a_note_of_another_sweep_stops_nothing_for_good(store: Store) -> None:
    plan = plan_of(SWEEP.split("search:")[0] + "chain: {loss: kd, length: 2}\n")
    simulation = Simulation(plan, store, at_a_time=1)
    simulation.run(3)
    (running,) = simulation.conductor._running.values()
    store.ask_to_stop(running.id)
    simulation.run()
    assert store.finished(plan.generations) == set(plan.generations)
    assert not [event for event in simulation.events if isinstance(event, GenerationStopped)]


def test_what_a_killed_driver_left_is_removed_by_the_next(store: Store) -> None:
    plan = plan_of()
    Simulation(plan, store).run()
    record = store.record(next(iter(plan.generations)))
    assert record is not None
    store.candidates.save_progress(record.candidates[0].id, Progress(1, b"", ()))
    Simulation(plan, store).run()
    assert store.candidates.everything() == set()
