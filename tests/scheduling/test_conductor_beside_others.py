"""Sweeps that have a store, and generations or candidates in it, in common."""

from __future__ import annotations

import random
from pathlib import Path

from scheduling.simulation import EPOCHS, WITHOUT_SEARCH, Simulation, course, plan_of, winners

from bansweep.graph.events import GenerationFailed, GenerationStopped
from bansweep.graph.results import EpochReport
from bansweep.scheduling.messages import Message, Started
from bansweep.scheduling.schedule import Task
from bansweep.store.progress import Progress
from bansweep.store.store import Store


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


def test_epochs_that_another_sweep_trained_are_heard_of(store: Store, tmp_path: Path) -> None:
    plan = plan_of()
    undisturbed = Simulation(plan, Store(tmp_path / "undisturbed"), at_a_time=1)
    undisturbed.run()
    simulation = Simulation(plan, store, at_a_time=1)

    def after_others_trained(task: Task, message: Message) -> None:
        # Between the suggestion and the start another process trained two epochs, and died.
        if task.candidate is not None and message == Started(0):
            errors = course(task.candidate.generation)[:2]
            history = [EpochReport(k, EPOCHS, 1.0, 0.0, {"validation_error": e}) for k, e in enumerate(errors, 1)]
            store.candidates.save_progress(task.id, Progress(2, b"", tuple(history)))
            message = Started(2)
        simulation.conductor.handle(task, message)

    simulation.report = after_others_trained
    simulation.run()
    assert winners(plan, store) == winners(plan, undisturbed.store)


def test_a_note_of_another_sweep_stops_nothing_for_good(store: Store) -> None:
    plan = plan_of(WITHOUT_SEARCH + "chain: {loss: kd, length: 2}\n")
    simulation = Simulation(plan, store, at_a_time=1)
    simulation.run(3)
    (running,) = simulation.running.values()
    store.ask_to_stop(running.id)
    simulation.run()
    assert store.finished(plan.generations) == set(plan.generations)
    assert not [event for event in simulation.events if isinstance(event, GenerationStopped)]
