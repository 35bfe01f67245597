"""The driver: one Ray Tune experiment that trains what a plan lacks."""

from __future__ import annotations

import dataclasses
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

from bansweep.cluster.allocation import Allocation, Capacity, Node, allocate, cluster_nodes, nodes_of_environment
from bansweep.cluster.job import GenerationJob
from bansweep.cluster.ray_failure import ran_out_of_memory, ray_failure
from bansweep.cluster.ray_session import ray_session
from bansweep.cluster.ray_watch import call_watched, ray_watch
from bansweep.config.data import with_absolute_paths
from bansweep.config.sweep import SweepSpec
from bansweep.errors import ResourcesError
from bansweep.graph.candidates import variants
from bansweep.graph.events import SweepEvent
from bansweep.graph.expand import keeping_all_candidates
from bansweep.graph.plan import Plan
from bansweep.scheduling.conductor import Conductor
from bansweep.scheduling.meter import Meter
from bansweep.scheduling.schedule import Task
from bansweep.store.records import recorded_number
from bansweep.store.spending_ledger import SpendingLedger
from bansweep.store.store import Store


def run_sweep(
    sweep: SweepSpec,
    plan: Plan,
    store: Store,
    *,
    emit: Callable[[SweepEvent], None],
    address: str | None = None,
) -> None:
    """Train every generation of the plan that the store lacks, as many at a time as the cluster holds.

    Blocks until all are finished, failed, blocked or not needed, or the budget is spent. `emit` gets each event, in one
    other thread, must not block, and is not called after the return.
    Side effects: a Ray cluster or connection while it runs; the store. Interrupting it (KeyboardInterrupt) leaves
    finished generations and the progress of running ones in the store.
    Raises ClusterError, also when Ray's node here or the cluster's head dies; ResourcesError.
    """
    limit = None if sweep.budget is None else sweep.budget.gpu_hours
    ledger = SpendingLedger(store, sweep.name)
    if Meter(limit, ledger).exhausted or len(store.finished(plan.generations)) == len(plan.generations):
        return
    with ray_session(address) as owner, ray_watch(owner) as watch:
        # A cluster that this command starts never grows; the environment may describe another one.
        announced = [] if owner == "command" else nodes_of_environment()

        def conduct(check: Callable[[], None]) -> None:
            def checked_emit(event: SweepEvent) -> None:
                check()
                emit(event)

            from bansweep.cluster.tpe import sampler_of

            allocation = _allocation(sweep, plan, announced)
            conductor = Conductor(
                plan,
                store,
                sampler_of=sampler_of,
                emit=checked_emit,
                meter=(meter := Meter(limit, ledger, devices=allocation.devices)),
                keep_all=keeping_all_candidates(sweep, plan),
                stop_at_limit=sweep.budget is not None and sweep.budget.at_limit == "stop",
                lost_results=sweep.resources.retries.lost_results,
            )
            try:
                _tune(sweep, plan, store, conductor, allocation, announced, scratch, check)
            finally:
                meter.tick()
                meter.save()

        with (
            tempfile.TemporaryDirectory(prefix="bansweep-tune-", ignore_cleanup_errors=True) as scratch,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            call_watched(conduct, watch)


def _allocation(sweep: SweepSpec, plan: Plan, announced: list[Node]) -> Allocation:
    """Raises ResourcesError."""
    allocation = allocate(sweep.resources, cluster_nodes(announced))
    smallest_batch = min(one.recipe.batch_size for whole in plan.generations.values() for one in variants(whole))
    if allocation.workers > smallest_batch:
        raise ResourcesError(
            f"resources.workers: {allocation.workers} cannot share a batch of {smallest_batch}",
            remedy="lower resources.workers or raise recipe.batch_size: each worker needs a sample",
        )
    return allocation


def _tune(
    sweep: SweepSpec,
    plan: Plan,
    store: Store,
    conductor: Conductor,
    allocation: Allocation,
    announced: list[Node],
    scratch: str,
    check: Callable[[], None],
) -> None:
    from ray import tune
    from ray.exceptions import RayError

    from bansweep.cluster.ray_environment import credentials_kept_from_trials
    from bansweep.cluster.searcher import SweepSearcher, TuneLoop
    from bansweep.cluster.trial import generation_trial

    def configuration(task: Task) -> dict[str, Any]:
        job = job_of(task, sweep, plan, store, allocation)
        return {"job": job.model_dump_json(), "allocation": dataclasses.asdict(allocation)}

    capacity = Capacity(allocation, lambda: cluster_nodes(announced))
    searcher = SweepSearcher(conductor, configuration, capacity)
    tuner = tune.Tuner(
        tune.with_resources(generation_trial, _trial_resources(allocation)),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=lambda trial: f"generation-{trial.trial_id}",
            trial_dirname_creator=lambda trial: f"generation-{trial.trial_id}",
        ),
        run_config=tune.RunConfig(
            name=sweep.name,
            storage_path=scratch,
            verbose=0,
            callbacks=[TuneLoop(searcher, check)],
            failure_config=tune.FailureConfig(max_failures=sweep.resources.retries.trial_restarts),
        ),
    )
    try:
        with credentials_kept_from_trials():
            tuner.fit()
    except (tune.TuneError, RayError) as error:
        # A generation's own errors are reported as outcomes: this is an error of Ray.
        raise ray_failure(error) from error
    except RuntimeError as error:
        if not ran_out_of_memory(error):
            raise
        raise ray_failure(error) from error


def job_of(task: Task, sweep: SweepSpec, plan: Plan, store: Store, allocation: Allocation) -> GenerationJob:
    """The job of a trial that trains a task of the plan."""
    candidate = task.candidate
    label = plan.label(task.generation_id)
    return GenerationJob(
        generation=plan.generations[task.generation_id] if candidate is None else candidate.generation,
        label=label if candidate is None else f"{label}, candidate {recorded_number(candidate)}",
        data=with_absolute_paths(sweep.data),
        store=store.location if candidate is None else store.candidates.location,
        teachers=store.location,
        compiled=allocation.compiled,
        may_compile=sweep.resources.compile is not False,
        recompute=sweep.resources.recompute,
        decides=None if candidate is None else task.generation_id,
        diagnostics=sweep.diagnostics,
        teacher_memory_gb=sweep.resources.teacher_memory_gb,
        teacher_disk_gb=sweep.resources.teacher_disk_gb,
        retries=sweep.resources.retries,
    )


def _trial_resources(allocation: Allocation) -> Any:
    from ray import tune

    if allocation.workers == 0:
        return tune.PlacementGroupFactory([allocation.per_process])
    # A trial that only waits for its workers must not hold a CPU that they need; Tune requires that it holds something.
    return tune.PlacementGroupFactory([{"node:__internal_head__": 0.001}])
