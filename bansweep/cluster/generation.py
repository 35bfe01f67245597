"""The doing of a job: the same in a trial's own process and in each worker of a group."""

from __future__ import annotations

import platform
import socket
import time
from collections.abc import Callable
from importlib.metadata import version

import torch

from bansweep.cluster.job import GenerationJob
from bansweep.cluster.run_of_job import prepare_run
from bansweep.plan.events import EpochReport
from bansweep.store.predictions import Predictions, TokenPredictions
from bansweep.store.progress import Progress
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store
from bansweep.training.generation_run import ClassProbabilities, TokenLogProbabilities
from bansweep.training.memory import memory_told
from bansweep.training.workers import Workers


def train_and_publish(
    job: GenerationJob,
    *,
    workers: Workers,
    device: torch.device,
    on_epoch: Callable[[EpochReport], None],
) -> bool:
    """Train a generation from wherever its progress stands, and publish it; False where it was asked to stop before.

    Side effects, all in the store: progress after each epoch, then the finished generation, by worker 0 alone.
    `on_epoch` is called on every worker, after the epoch's progress is safe.
    Raises TrainingError, DataError or StoreError.
    """
    store = Store(job.store)
    generation = job.generation
    with memory_told(device, "before the first step"):
        prepared = prepare_run(job, device=device, workers=workers)
    run = prepared.run
    started_at = time.time()
    # Workers of a former attempt may still be writing: all have to resume from what worker 0 saw.
    progress = workers.from_first(store.load_progress(generation.id) if workers.rank == 0 else None)
    if progress is not None:
        run.resume(progress.tensors, progress.history)
    for report in run.epochs():
        if workers.rank == 0:
            store.save_progress(generation.id, Progress(len(run.history), run.snapshot(), tuple(run.history)))
        on_epoch(report)
        if report.epoch < report.epochs and workers.from_first(_is_asked_to_stop(store, generation.id, workers)):
            return False
    trained = run.result()
    if workers.rank != 0:
        return True
    record = GenerationRecord(
        id=generation.id,
        generation=generation,
        label=job.label,
        input_shape=prepared.input_shape,
        classes=prepared.classes,
        parameters=trained.parameters,
        teacher_digest=prepared.teacher_digest,
        metrics=trained.metrics,
        selected_epoch=trained.epoch,
        training_seconds=sum(report.seconds for report in run.history),
        started_at=min(started_at, run.history[0].finished_at - run.history[0].seconds),
        finished_at=time.time(),
        device=_device_name(device),
        host=socket.gethostname(),
        versions={"python": platform.python_version(), **{name: version(name) for name in ("bansweep", "torch")}},
    )
    store.publish(
        record,
        weights=trained.weights,
        history=run.history,
        predictions=_predictions(trained.answers),
    )
    store.clear_progress(generation.id)
    return True


def _is_asked_to_stop(store: Store, generation_id: str, workers: Workers) -> bool:
    # Workers have to agree, and may look at different moments: the first one looks.
    return workers.rank == 0 and store.is_asked_to_stop(generation_id)


def _predictions(answers: ClassProbabilities | TokenLogProbabilities) -> Predictions | TokenPredictions:
    if isinstance(answers, ClassProbabilities):
        return Predictions(answers.probabilities_NC, answers.labels_N)
    return TokenPredictions(answers.validation_N, answers.test_N)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"
