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
from bansweep.cluster.attempts import ControllerLostError, GroupLostError, WorkersLostError, train_in_groups
from bansweep.cluster.job import GenerationJob
from bansweep.cluster.ray_environment import leave_driver_directories
from bansweep.errors import BansweepError, ClusterError, DivergedError, TrainingError
from bansweep.graph.events import CompileFailure
from bansweep.graph.results import EpochReport
from bansweep.scheduling.messages import Displaced, EpochDone, Placed, Uncompiled, as_result
from bansweep.store.store import Store

# The controller looks at its workers this often; each report waits for a look. Ray's 2 s would be 2 s an epoch.
_HEALTH_CHECK_INTERVAL_S = "0.2"


def train_in_worker_group(job: GenerationJob, allocation: Allocation, *, on_start: Callable[[], None]) -> None:
    """Train a generation with `allocation.workers` workers and wait for it. Raises BansweepError.

    Lost groups are replaced according to the job's `retries`; `on_start` is called before each group starts.
    """
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", _HEALTH_CHECK_INTERVAL_S)
    store = Store(job.store)
    train_in_groups(
        lambda: _train_group(job, allocation),
        epochs_done=lambda: store.epochs_done(job.generation.id),
        on_start=on_start,
        controller_restarts=job.retries.controller_restarts,
    )


def _train_group(job: GenerationJob, allocation: Allocation) -> None:
    """Run one group. Raises GroupLostError, or an error that another group would meet, too."""
    import ray.train

    try:
        diverged = _fit(job, allocation)
    except (ray.train.TrainingFailedError, ray.exceptions.RayError) as error:
        raise group_error(error, job.retries.worker_restarts) from error
    if diverged is not None:
        raise diverged


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
                # A repeated name would silently return the former run's result.
                name=f"{job.generation.id}-{uuid.uuid4().hex[:8]}",
                storage_path=scratch,
                failure_config=ray.train.FailureConfig(max_failures=job.retries.worker_restarts),
                callbacks=[_reports_to_tune()],
            ),
        )
        failure: DivergedError | None = trainer.fit().return_value  # type: ignore[attr-defined]  # Train V2's result
    return failure


def _process_group(*, gpus: float) -> Any:
    """How the workers form a process group. On GPUs each worker first checks its own: NCCL would report only that there
    is none, and not why."""
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
    """Why this worker cannot use its GPU. Ray shows every worker all of the group's GPUs on its node."""
    leave_driver_directories()
    from ray.train.torch import get_device

    from bansweep.training.device import training_device

    try:
        training_device(gpus=gpus, index=get_device().index)
    except BansweepError as error:
        return error
    return None


def _reports_to_tune() -> Any:
    """The callback that reports to Tune what worker 0 reports, and that a lost worker has displaced the group."""
    from ray.tune.integration.ray_train import TuneReportCallback

    class ReportsToTune(TuneReportCallback):
        def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:  # noqa: ARG002
            self._training_actor_item_queue.put(as_result(Displaced()))

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
        ray.train.report(as_result(EpochDone(report)))

    def report_uncompiled(failure: CompileFailure | None, compiled_epochs: int) -> None:
        ray.train.report(as_result(Uncompiled(failure, compiled_epochs)))

    ray.train.report(as_result(Placed(current_placement_group())))
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


def group_error(error: Exception, worker_restarts: int) -> GroupLostError | BansweepError:
    """The meaning of an error with which Ray Train ends a group.

    GroupLostError if another group may get further; otherwise the BansweepError that a worker or the start of the group
    has raised.
    """
    from ray.train import WorkerGroupError

    if not isinstance(error, WorkerGroupError):
        # Ray retries workers, but not the controller that watches them.
        if isinstance(failed := getattr(error, "controller_failure", None), BansweepError):
            return failed
        return ControllerLostError(ClusterError(f"Ray Train gave up: {' '.join(str(error).split())}"))
    failures = error.worker_failures
    raised = next((failure for failure in failures.values() if isinstance(failure, BansweepError)), None)
    if raised is not None and not isinstance(raised, TrainingError):
        return raised
    first = next(iter(failures.values()), error)
    lost = TrainingError(f"a worker failed {worker_restarts + 1} times: {type(first).__name__}: {first}")
    return WorkersLostError(raised or lost)
