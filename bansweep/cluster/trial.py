"""The Tune trial of one generation. Runs in a trial's process, which later trials reuse."""

from __future__ import annotations

import os
from threading import Event
from typing import Any

from ray import tune

from bansweep.cluster.allocation import Allocation
from bansweep.cluster.attempts import attempt
from bansweep.cluster.job import GenerationJob
from bansweep.cluster.ray_environment import leave_driver_directories
from bansweep.cluster.worker_group import train_in_worker_group
from bansweep.scheduling.messages import EpochDone, Message, Outcome, Placed, Started, Uncompiled, as_result
from bansweep.store.store import Store

_WITHOUT_TRAINING = (Outcome.REUSED, Outcome.CLAIMED)

_cuda_failed = Event()
"""This process can no longer use its GPU."""


def generation_trial(config: dict[str, Any]) -> None:
    """Train the generation of `config`, or use another process's result. Reports messages, `Ended` last."""
    if _cuda_failed.is_set():
        os._exit(1)  # Tune starts this trial again, in a new process
    leave_driver_directories()
    job = GenerationJob.model_validate_json(config["job"])
    allocation = Allocation(**config["allocation"])

    def train() -> None:
        def report_start(*more: Message) -> None:
            tune.report(as_result(Started(Store(job.store).epochs_done(job.generation.id)), *more))

        if allocation.workers == 0:
            report_start(Placed(""))
            _train_here(job, allocation)
        else:
            train_in_worker_group(job, allocation, on_start=report_start)

    ended = attempt(job, tune.get_context().get_trial_id(), train)
    if allocation.workers == 0 and ended.outcome not in _WITHOUT_TRAINING:
        # Only now: an exception holds its training's tensors until it has been handled.
        try:
            _free_memory(on_gpu=allocation.gpus > 0)
        except RuntimeError:  # after an illegal access on the GPU every call of CUDA fails until the process ends
            _cuda_failed.set()
    tune.report(as_result(ended))


def _train_here(job: GenerationJob, allocation: Allocation) -> None:
    # The driver imports this module, too, and needs no torch.
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
        on_epoch=lambda report: tune.report(as_result(EpochDone(report))),
        on_uncompiled=lambda failure, epochs: tune.report(as_result(Uncompiled(failure, epochs))),
    )


def _free_memory(*, on_gpu: bool) -> None:
    """Free memory that this process still holds after a training, for the next one and for other processes.

    On a CPU the teacher stays cached: the next student often has the same one. A GPU is returned to Ray, or is shared
    with other processes.
    """
    from bansweep.cluster.training_job import drop_last_teacher
    from bansweep.training.device import release_device_memory
    from bansweep.training.memory import give_back_freed_memory

    if on_gpu:
        drop_last_teacher()
        release_device_memory()
    give_back_freed_memory()
