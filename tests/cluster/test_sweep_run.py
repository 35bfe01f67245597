"""What of a sweep file's resources reaches a trial. Ray is not started."""

from __future__ import annotations

from typing import Any

import pytest
from scheduling.simulation import SWEEP, WITHOUT_SEARCH

from bansweep.cluster.allocation import Allocation
from bansweep.cluster.job import GenerationJob
from bansweep.cluster.sweep_run import job_of
from bansweep.cluster.tpe import sampler_of
from bansweep.config.reading import parse_sweep
from bansweep.config.resources import RetryPolicy
from bansweep.data.fingerprint import data_identity
from bansweep.graph.candidates import candidate_of
from bansweep.graph.expand import expand
from bansweep.scheduling.schedule import Task
from bansweep.store.store import Store

CHAIN = WITHOUT_SEARCH + "chain: {loss: kd, length: 1}\n"
ALLOCATION = Allocation(workers=0, cpus=1, gpus=0.0, compiled=False)


def job(store: Store, text: str, *changes: str) -> GenerationJob:
    """The job of a sweep's first task."""
    sweep = parse_sweep(text, changes)
    plan = expand(sweep, data_identity(sweep.data))
    generation_id, generation = next(iter(plan.generations.items()))
    candidate = None
    if generation.search is not None:
        setting = sampler_of(generation).draw(0)
        assert setting is not None
        candidate = candidate_of(generation, 0, setting)
    return job_of(Task(generation_id, candidate), sweep, plan, store, ALLOCATION)


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ("retries.attempts_per_epoch=7", "retries", RetryPolicy(attempts_per_epoch=7)),
        ("teacher_memory_gb=1.5", "teacher_memory_gb", 1.5),
        ("teacher_disk_gb=2.5", "teacher_disk_gb", 2.5),
        ("recompute=true", "recompute", True),
        ("compile=false", "may_compile", False),
    ],
)
def test_resources_reach_the_trial(change: str, field: str, value: Any, store: Store) -> None:
    assert getattr(job(store, CHAIN), field) != value
    assert getattr(job(store, CHAIN, f"resources.{change}"), field) == value
    arrived = GenerationJob.model_validate_json(job(store, CHAIN, f"resources.{change}").model_dump_json())
    assert getattr(arrived, field) == value


def test_a_candidate_is_trained_beside_the_generations_and_knows_what_it_decides(store: Store) -> None:
    generation, candidate = job(store, CHAIN), job(store, SWEEP)
    assert (generation.store, generation.teachers, generation.decides) == (store.location, store.location, None)
    assert (candidate.store, candidate.teachers) == (store.candidates.location, store.location)
    assert candidate.decides is not None
    assert candidate.decides != candidate.generation.id
    assert candidate.label.endswith(", candidate 1")
