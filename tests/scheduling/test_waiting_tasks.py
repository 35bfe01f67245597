"""Waiting for what other processes train."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from patience import wait_for
from scheduling.simulation import EPOCHS, WITHOUT_SEARCH, Simulation, plan_of

from bansweep.graph.events import GenerationElsewhere
from bansweep.scheduling.schedule import Task
from bansweep.scheduling.trainings import WaitingTasks
from bansweep.store.claims import Claim
from bansweep.store.local_path import LocalPath
from bansweep.store.store import Store

A, B = Task("a" * 16), Task("b" * 16)


def nobody_hears(task: Task, owner: str) -> None:
    pass


def claims_in(folder: Path, task: Task) -> Claim:
    return Claim(LocalPath(folder / task.id), heartbeat_s=60.0, stale_s=0.05)


def test_what_nobody_has_does_not_wait(tmp_path: Path) -> None:
    elsewhere = WaitingTasks(lambda task: claims_in(tmp_path, task), nobody_hears)
    assert not elsewhere.add_if_claimed(A)
    assert not elsewhere
    assert elsewhere.take() is None


def test_each_waits_for_its_own_claim(store: Store) -> None:
    told: list[tuple[Task, str]] = []
    elsewhere = WaitingTasks(lambda task: store.claim(task.id), lambda *what: told.append(what))
    with store.claim(A.id) as claim_a, store.claim(B.id) as claim_b:
        assert claim_a.acquire()
        assert claim_b.acquire()
        assert elsewhere.add_if_claimed(A)
        assert elsewhere.add_if_claimed(B)
        assert elsewhere.take() is None
        owner = f"process {os.getpid()} on {socket.gethostname()}"
        assert told == [(A, owner), (B, owner)]
        claim_b.release()
        assert elsewhere.take() == B
        assert elsewhere.take() is None
        elsewhere.drop(A.generation_id)
        assert not elsewhere


def test_an_owner_that_is_silent_is_waited_for_no_longer(tmp_path: Path) -> None:
    elsewhere = WaitingTasks(lambda task: claims_in(tmp_path, task), nobody_hears)
    silent = claims_in(tmp_path, A)
    assert silent.acquire()
    assert elsewhere.add_if_claimed(A)
    taken: list[Task] = []

    def is_taken() -> bool:
        taken.extend(filter(None, [elsewhere.take()]))
        return bool(taken)

    wait_for(is_taken)
    assert taken == [A]
    silent.release()


def test_one_that_another_sweep_trains_keeps_nothing_else_waiting(store: Store) -> None:
    plan = plan_of(WITHOUT_SEARCH + "chain: {loss: kd, length: 2}\n")
    teachers = [key for key, one in plan.generations.items() if one.teacher is None]
    simulation = Simulation(plan, store, at_a_time=1)
    with store.claim(teachers[0]) as claim:
        assert claim.acquire()
        simulation.run(2 * (EPOCHS + 1))
        assert store.finished(plan.generations) > {teachers[1]}
        assert teachers[0] not in store.finished(plan.generations)
        [waiting] = [event for event in simulation.events if isinstance(event, GenerationElsewhere)]
        assert waiting == GenerationElsewhere(teachers[0], by=f"process {os.getpid()} on {socket.gethostname()}")
    simulation.run()
    assert store.finished(plan.generations) == set(plan.generations)
