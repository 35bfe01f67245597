"""One generation as a Ray Train run: a group of workers that share each batch.

`train_in_worker_group` runs in the trial's process, `_worker` in every worker's.
"""

from __future__ import annotations

import os
import tempfile
import uuid
import warnings
from collections.abc import Callable
from typing import Any

from bansweep.cluster.allocation import Allocation, current_placement_group
from bansweep.cluster.job import GenerationJob
from bansweep.cluster.ray_environment import leave_driver_directories
from bansweep.cluster.reports import epoch_message, uncompiled_message
from bansweep.errors import BansweepError, ClusterError, DivergedError, TrainingError
from bansweep.graph.events import CompileFailure, EpochReport
from bansweep.store.store import Store

# The controller looks at its workers this often; each report waits for a look. Ray's 2 s would be 2 s an epoch.
_HEALTH_CHECK_INTERVAL_S = "0.2"
_WORKER_RETRIES = 2
_CONTROLLER_RETRIES = 1


def train_in_worker_group(job: GenerationJob, allocation: Allocation, *, on_start: Callable[[], None]) -> None:
    """Train a generation with `allocation.workers` workers and wait for it. Raises BansweepError.

    A group that is lost is followed by another as long as each one saves an epoch: nodes come and go. `on_start` is
    called before each is started: the driver then frees what a lost one has left.
    """
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", _HEALTH_CHECK_INTERVAL_S)
    import ray.train

    store, retries_left = Store(job.store), _CONTROLLER_RETRIES
    while True:
        epochs_done = store.epochs_done(job.generation.id)
        on_start()
        try:
            failure = _fit(job, allocation)
            break
        except ray.train.WorkerGroupError as error:
            cause = _cause(error)
            if not isinstance(cause, TrainingError) or store.epochs_done(job.generation.id) == epochs_done:
                raise cause from error
        except (ray.train.TrainingFailedError, ray.exceptions.RayError) as error:
            if isinstance(failed := getattr(error, "controller_failure", None), BansweepError):
                raise failed from error
            # Ray retries workers, but not the controller that watches them. Another group goes on from the progress.
            if store.epochs_done(job.generation.id) > epochs_done:
                retries_left = _CONTROLLER_RETRIES
            elif retries_left:
                retries_left -= 1
            else:
                raise ClusterError(f"Ray Train gave up: {' '.join(str(error).split())}") from error
    if failure is not None:
        raise failure


def _fit(job: GenerationJob, allocation: Allocation) -> DivergedError | None:
    """One Ray Train run; returns what `_worker` returns."""
    import ray.train
    from ray.train.torch import TorchTrainer

    on_gpu = allocation.gpus > 0
    with tempfile.TemporaryDirectory(prefix="bansweep-train-") as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = TorchTrainer(
            _worker,  # type: ignore[arg-type]  # Train V2 hands on what it returns
            train_loop_config={"job": job.model_dump_json(), "gpus": allocation.gpus, "cpus": allocation.cpus},
            torch_config=_process_group(gpus=allocation.gpus),
            scaling_config=ray.train.ScalingConfig(
                num_workers=allocation.workers, use_gpu=on_gpu, resources_per_worker=allocation.per_process
            ),
            run_config=ray.train.RunConfig(
                # A name that is run again would silently return the former run's result.
                name=f"{job.generation.id}-{uuid.uuid4().hex[:8]}",
                storage_path=scratch,
                failure_config=ray.train.FailureConfig(max_failures=_WORKER_RETRIES),
                callbacks=[_reports_to_tune()],
            ),
        )
        failure: DivergedError | None = trainer.fit().return_value  # type: ignore[attr-defined]  # Train V2's result
    return failure


def _process_group(*, gpus: float) -> Any:
    """How the workers form a process group. On GPUs each worker first checks its own: NCCL would only say that there is
    none, and not why."""
    from ray.train.torch import TorchConfig

    class CheckedBackend(TorchConfig().backend_cls):  # type: ignore[misc]  # the class is a property
        def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
            for problem in worker_group.execute(_gpu_problem, gpus):
                if problem is not None:
                    raise problem
            super().on_start(worker_group, backend_config)

    class CheckedTorchConfig(TorchConfig):
        @property
        def backend_cls(self) -> Any:
            return CheckedBackend

    return CheckedTorchConfig(backend="nccl") if gpus else TorchConfig(backend="gloo")


def _gpu_problem(gpus: float) -> BansweepError | None:
    """Why this worker cannot use its GPU. Ray lets all workers of a node see all of the group's GPUs there."""
    leave_driver_directories()
    from ray.train.torch import get_device

    from bansweep.training.device import training_device

    try:
        training_device(gpus=gpus, index=get_device().index)
    except BansweepError as error:
        return error
    return None


def _reports_to_tune() -> Any:
    """The callback that tells Tune what worker 0 reports, and that a worker is lost, and with it the group's place."""
    from ray.tune.integration.ray_train import TuneReportCallback

    class ReportsToTune(TuneReportCallback):
        def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:  # noqa: ARG002
            self._training_actor_item_queue.put({"displaced": True})

    return ReportsToTune()  # type: ignore[no-untyped-call]


def _worker(config: dict[str, Any]) -> DivergedError | None:
    """The training loop of one worker; returns the error that every worker met and every retry would meet again."""
    leave_driver_directories()
    import ray.train
    import torch

    from bansweep.cluster.training_job import train_and_publish
    from bansweep.training.device import training_device
    from bansweep.training.workers import Workers

    torch.set_num_threads(config["cpus"])
    job = GenerationJob.model_validate_json(config["job"])
    workers = Workers.of_process_group()

    def report_epoch(report: EpochReport) -> None:
        ray.train.report(epoch_message(report))

    def report_uncompiled(failure: CompileFailure | None, compiled_epochs: int) -> None:
        ray.train.report(uncompiled_message(failure, compiled_epochs))

    ray.train.report({"placed": current_placement_group()})
    try:
        train_and_publish(
            job,
            workers=workers,
            device=training_device(gpus=config["gpus"]),
            on_epoch=report_epoch,
            on_uncompiled=report_uncompiled,
        )
    except DivergedError as error:
        return error
    return None


def _cause(error: Exception) -> BansweepError:
    """The error of ours that a worker raised, else the first worker's error in one line."""
    failures: dict[int, Exception] = getattr(error, "worker_failures", {})
    for failure in failures.values():
        if isinstance(failure, BansweepError):
            return failure
    first = next(iter(failures.values()), error)
    return TrainingError(f"a worker failed {_WORKER_RETRIES + 1} times: {type(first).__name__}: {first}")
