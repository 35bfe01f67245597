"""Runs one training job; identical in a trial process and in every Ray Train worker."""

from __future__ import annotations

import platform
import socket
import time
from collections.abc import Callable
from importlib.metadata import version

import torch

from bansweep.cluster.job import GenerationJob
from bansweep.cluster.run_of_job import prepare_run
from bansweep.plan.events import CompileFailure, EpochReport
from bansweep.spec.networks import is_language_model
from bansweep.store.predictions import Predictions, TokenPredictions
from bansweep.store.progress import Progress
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store
from bansweep.training.compilation import compile_failure
from bansweep.training.generation_run import ClassProbabilities, TokenLogProbabilities
from bansweep.training.memory import memory_told
from bansweep.training.workers import Workers


def train_and_publish(
    job: GenerationJob,
    *,
    workers: Workers,
    device: torch.device,
    on_epoch: Callable[[EpochReport], None],
    on_uncompiled: Callable[[CompileFailure | None, int], None] = lambda _failure, _epochs: None,
) -> bool:
    """Train a generation from wherever its progress stands, and publish it; False where it was asked to stop before.

    A generation that began compiled resumes compiled, one that began uncompiled resumes uncompiled, whether or not the
    job is `compiled`. If it cannot or must not be compiled any more, it trains uncompiled.

    Side effects, all in the store: progress after each epoch, then the finished generation, by worker 0 alone.
    `on_epoch` is called on every worker, after the epoch's progress is safe; `on_uncompiled`, on every worker, when it
    trains uncompiled against expectation, with the failure (None: the job excludes compiling) and the number of
    epochs that ran compiled before.
    Raises TrainingError, DataError or StoreError.
    """
    store = Store(job.store)
    generation = job.generation
    started_at = time.time()
    # Workers of a former attempt may still be writing: all have to resume from what worker 0 saw.
    progress = workers.from_first(store.load_progress(generation.id) if workers.rank == 0 else None)
    compiled_epochs = 0 if progress is None else progress.compiled_epochs

    def report_uncompiled(failure: CompileFailure | None) -> None:
        on_uncompiled(failure, compiled_epochs or 0)

    with memory_told(device, "before the first step"):
        if (compiled := _is_to_be_compiled(job, progress)) != job.compiled:
            job = job.model_copy(update={"compiled": compiled})
        if job.compiled:
            excluded = job.recompute or not job.may_compile
            failure = None if excluded else compile_failure(workers, device)
            if failure is not None or excluded:
                job = job.model_copy(update={"compiled": False})
                report_uncompiled(failure)
        prepared = prepare_run(job, device=device, workers=workers, on_compile_failure=report_uncompiled)
    run = prepared.run
    if progress is not None:
        run.resume(progress.tensors, progress.history)
    for report in run.epochs():
        if compiled_epochs is not None:
            compiled_epochs += run.compiled
        if workers.rank == 0:
            progress = Progress(len(run.history), run.snapshot(), tuple(run.history), compiled_epochs)
            store.save_progress(generation.id, progress)
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
        compiled_epochs=compiled_epochs,
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


def _is_to_be_compiled(job: GenerationJob, progress: Progress | None) -> bool:
    """Whether to compile: as the generation began, or by the job if it is new or its progress does not record it."""
    if is_language_model(job.generation.network):
        return False
    if progress is not None and progress.epochs_done == job.generation.recipe.epochs:
        return False  # nothing is left to train
    if progress is None or progress.compiled_epochs is None:
        return job.compiled
    # One that could not be compiled any more after some epochs continues as it is.
    return progress.compiled_epochs == progress.epochs_done


def _is_asked_to_stop(store: Store, generation_id: str, workers: Workers) -> bool:
    # Workers have to agree, and may look at different moments: the first one looks.
    return workers.rank == 0 and store.is_asked_to_stop(generation_id)


def _predictions(answers: ClassProbabilities | TokenLogProbabilities) -> Predictions | TokenPredictions:
    if isinstance(answers, ClassProbabilities):
        return Predictions(answers.probabilities_NC, answers.labels_N)
    return TokenPredictions(answers.validation_N, answers.test_N)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"
