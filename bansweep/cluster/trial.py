"""The Tune trial of one generation. Runs in a trial's process, which later trials reuse."""

from __future__ import annotations

import os
import time
from threading import Event
from typing import Any

from ray import tune

from bansweep.cluster.allocation import Allocation
from bansweep.cluster.job import GenerationJob
from bansweep.cluster.ray_environment import leave_driver_directories
from bansweep.cluster.reports import LOST, epoch_message, uncompiled_message
from bansweep.cluster.worker_group import train_in_worker_group
from bansweep.errors import BansweepError, DivergedError, TrainingError
from bansweep.store.store import Store

# Nodes come and go, some every few minutes; but what dies in the same epoch each time will do so again.
_ATTEMPTS_AN_EPOCH = 3

# Long enough to see that a claim's owner is silent.
_PATIENCE_S = 60.0

_WITHOUT_TRAINING = ("reused", "claimed")

_cuda_failed = Event()
"""This process cannot use its GPU any more."""


def generation_trial(config: dict[str, Any]) -> None:
    """Train the generation of `config`, or use another process's result, and report how it ended.

    Reports `started` with the number of epochs done before; `placed` with the placement group that it has to give back
    when it has its devices, `displaced` when they are gone; `uncompiled` when it trains uncompiled though it was to be
    compiled; an `epoch_report` for each epoch; and last an `outcome`: `finished`, `reused`, `stopped` where it was
    asked to, `claimed` where another process trains it, or `failed` with a `reason`; `diverged` tells that it would
    fail again. Exceptions would be retried by Tune as if the process had died, so failures are results here.
    """
    if _cuda_failed.is_set():
        os._exit(1)  # Tune starts this trial again, in a new process
    leave_driver_directories()
    job = GenerationJob.model_validate_json(config["job"])
    allocation = Allocation(**config["allocation"])
    outcome = _outcome_of(job, allocation)
    if allocation.workers == 0 and outcome["outcome"] not in _WITHOUT_TRAINING:
        # Only now: an exception holds its training's tensors until it has been handled.
        try:
            _leave_room(on_gpu=allocation.gpus > 0)
        except RuntimeError:  # after an illegal access on the GPU every call of CUDA fails until the process ends
            _cuda_failed.set()
    tune.report(outcome)


def _outcome_of(job: GenerationJob, allocation: Allocation) -> dict[str, Any]:
    """Train, and report everything but the outcome, which is returned."""
    store = Store(job.store)
    generation_id = job.generation.id

    def is_finished() -> bool:
        return bool(store.finished([generation_id]))

    def is_of_no_use() -> bool:
        decided = job.decides is not None and job.teachers is not None and Store(job.teachers).finished([job.decides])
        return is_finished() or bool(decided)

    def report_start(**placed: str) -> None:
        tune.report({"started": store.epochs_done(generation_id), **placed})

    waited_since = time.monotonic()

    def has_waited() -> bool:
        return time.monotonic() - waited_since > _PATIENCE_S

    try:
        with store.claim(generation_id) as claim:
            if not claim.acquire(until=lambda: has_waited() or is_of_no_use()):
                # Either another process finished it, or it still trains and we hold a slot that its owner may need.
                return {"outcome": "reused" if is_of_no_use() else "claimed"}
            if store.begin_attempt(generation_id, tune.get_context().get_trial_id()) > _ATTEMPTS_AN_EPOCH:
                raise TrainingError(LOST)
            if allocation.workers == 0:
                report_start(placed="")
                _train_here(job, allocation)
            else:
                train_in_worker_group(job, allocation, on_start=report_start)
    except BansweepError as error:
        return {"outcome": "failed", "reason": str(error), "diverged": isinstance(error, DivergedError)}
    except Exception as error:
        return {"outcome": "failed", "reason": f"{type(error).__name__}: {error}"}
    return {"outcome": "finished" if is_finished() else "stopped"}


def _train_here(job: GenerationJob, allocation: Allocation) -> None:
    # The driver imports this module, too, and has no use for torch.
    import torch

    from bansweep.cluster.training_job import train_and_publish
    from bansweep.training.device import training_device
    from bansweep.training.workers import Workers

    # A fixed number of threads: the order of sums, and with it the last bits of weights, depends on it.
    torch.set_num_threads(allocation.cpus)
    train_and_publish(
        job,
        workers=Workers(),
        device=training_device(gpus=allocation.gpus),
        on_epoch=lambda report: tune.report(epoch_message(report)),
        on_uncompiled=lambda failure, epochs: tune.report(uncompiled_message(failure, epochs)),
    )


def _leave_room(*, on_gpu: bool) -> None:
    """Free memory that this process keeps after a training, for the next one and for other processes.

    On a CPU the teacher's table stays: the next student often has the same teacher. A GPU is given back to Ray, or is
    shared with other processes.
    """
    from bansweep.cluster.training_job import drop_last_table
    from bansweep.training.device import release_device_memory
    from bansweep.training.memory import give_back_freed_memory

    if on_gpu:
        drop_last_table()
        release_device_memory()
    give_back_freed_memory()
