"""The trainings that run, and which of them are asked to stop."""

from __future__ import annotations

from bansweep.scheduling.schedule import Task
from bansweep.scheduling.trainings import Trainings
from bansweep.store.store import Store

WAITS, TRAINS = Task("0" * 16), Task("1" * 16)


def test_only_those_that_train_are_asked_to_stop_and_the_answer_is_known_once(store: Store) -> None:
    trainings = Trainings(store)
    trainings.add(WAITS)
    trainings.add(TRAINS)
    trainings.begin(TRAINS)
    trainings.stop_all()
    assert [store.is_asked_to_stop(task.id) for task in (WAITS, TRAINS)] == [False, True]
    assert trainings.remove(TRAINS)
    assert not trainings.remove(TRAINS)
    assert not trainings.remove(WAITS)
    assert not trainings
    trainings.stop_all()  # nothing is left to ask


def test_a_training_is_asked_once_however_often_the_clock_is_looked_at(store: Store) -> None:
    trainings = Trainings(store)
    trainings.add(TRAINS)
    trainings.begin(TRAINS)
    trainings.stop_all()
    store.withdraw_stop(TRAINS.id)
    trainings.stop_all()
    assert not store.is_asked_to_stop(TRAINS.id)


def test_a_former_request_is_withdrawn_when_a_task_is_handed_out(store: Store) -> None:
    store.ask_to_stop(TRAINS.id)
    trainings = Trainings(store)
    trainings.add(TRAINS)
    assert not store.is_asked_to_stop(TRAINS.id)
    assert TRAINS in trainings
    assert WAITS not in trainings
    assert trainings.of(TRAINS.generation_id) == [TRAINS]
