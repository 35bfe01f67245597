"""The driver: one Ray Tune experiment that trains what a plan lacks."""

from __future__ import annotations

import dataclasses
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

from bansweep.cluster.allocation import Allocation, allocate
from bansweep.cluster.job import GenerationJob
from bansweep.cluster.session import ray_session
from bansweep.errors import ClusterError, ResourcesError
from bansweep.plan.events import SweepEvent
from bansweep.plan.frontier import Frontier
from bansweep.plan.plan import Plan
from bansweep.spec.data import with_absolute_paths
from bansweep.spec.sweep import SweepSpec
from bansweep.store.store import Store

# A trial's process that dies (killed, out of memory) is started again this often; it resumes from its progress.
_PROCESS_RETRIES = 2


def run_sweep(
    sweep: SweepSpec,
    plan: Plan,
    store: Store,
    *,
    emit: Callable[[SweepEvent], None],
    address: str | None = None,
) -> None:
    """Train every generation of the plan that the store lacks, as many at a time as the cluster holds.

    Blocks until all are finished, failed or blocked; `emit` hears of each step, in this thread, and must not block.
    Side effects: a Ray cluster or connection while it runs; the store. Interrupting it (KeyboardInterrupt) leaves
    finished generations and the progress of running ones in the store.
    Raises ClusterError, ResourcesError.
    """
    finished = store.finished(plan.generations)
    if len(finished) == len(plan.generations):
        return
    with ray_session(address) as cluster:
        allocation = allocate(sweep.resources, cluster)
        smallest_batch = min(generation.recipe.batch_size for generation in plan.generations.values())
        if allocation.workers > smallest_batch:
            raise ResourcesError(
                f"resources.workers: {allocation.workers} cannot share a batch of {smallest_batch}",
                remedy="lower resources.workers or raise recipe.batch_size: each worker needs a sample",
            )
        _tune(sweep, plan, store, Frontier(plan, finished), allocation, emit)


def _tune(
    sweep: SweepSpec,
    plan: Plan,
    store: Store,
    frontier: Frontier,
    allocation: Allocation,
    emit: Callable[[SweepEvent], None],
) -> None:
    from ray import tune
    from ray.exceptions import RayError

    from bansweep.cluster.searcher import PlanSearcher
    from bansweep.cluster.trial import generation_trial

    def configuration(generation_id: str) -> dict[str, Any]:
        job = GenerationJob(
            generation=plan.generations[generation_id],
            label=plan.label(generation_id),
            data=with_absolute_paths(sweep.data),
            store=store.root,
            compiled=allocation.compiled,
            diagnostics=sweep.diagnostics,
            teacher_memory_gb=sweep.resources.teacher_memory_gb,
            teacher_disk_gb=sweep.resources.teacher_disk_gb,
        )
        return {"job": job.model_dump_json(), "allocation": dataclasses.asdict(allocation)}

    with tempfile.TemporaryDirectory(prefix="bansweep-tune-") as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuner = tune.Tuner(
            tune.with_resources(generation_trial, _trial_resources(allocation)),
            tune_config=tune.TuneConfig(
                search_alg=PlanSearcher(frontier, configuration, emit),
                num_samples=-1,
                max_concurrent_trials=allocation.concurrency,
                reuse_actors=True,
                trial_name_creator=lambda trial: f"generation-{trial.trial_id}",
                trial_dirname_creator=lambda trial: f"generation-{trial.trial_id}",
            ),
            run_config=tune.RunConfig(
                name=sweep.name,
                storage_path=scratch,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=_PROCESS_RETRIES),
            ),
        )
        try:
            tuner.fit()
        except (tune.TuneError, RayError) as error:
            # What a generation does wrong never comes this far: this is Ray itself.
            raise ClusterError(
                f"Ray gave up: {str(error).strip().splitlines()[-1]}",
                remedy="run the same command again: finished generations and saved epochs are kept",
            ) from error


def _trial_resources(allocation: Allocation) -> Any:
    from ray import tune

    if allocation.workers == 0:
        return tune.PlacementGroupFactory([allocation.per_process])
    # A trial that only waits for its workers must not hold a CPU that they need; it may not hold nothing, either.
    return tune.PlacementGroupFactory([{"node:__internal_head__": 0.001}])
