"""Runs one training job: identical in a trial's process and in every Ray Train worker."""

from __future__ import annotations

import platform
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version

import torch

from bansweep import __version__
from bansweep.cluster.job import GenerationJob
from bansweep.config.data import ImageDataSpec, TextSpec, is_text
from bansweep.config.networks import is_language_model
from bansweep.data.datasets import ImageData, TextData, load_images, load_text
from bansweep.data.prepare import prepare
from bansweep.errors import StoreError
from bansweep.graph.events import CompileFailure
from bansweep.graph.results import EpochReport
from bansweep.store.parquet_tables import Predictions, TokenPredictions
from bansweep.store.progress import Progress
from bansweep.store.records import GenerationRecord, check_user_code
from bansweep.store.store import Store
from bansweep.training.compilation import compile_failure
from bansweep.training.generation_run import ClassProbabilities, GenerationRun, TokenLogProbabilities
from bansweep.training.image_run import ImageRun
from bansweep.training.language_run import LanguageRun
from bansweep.training.memory import explain_out_of_memory
from bansweep.training.teacher import LanguageTeacher, LastTeacher, Teacher, frozen_language_model
from bansweep.training.workers import Workers

_BYTES_OF_A_GB = 1e9

_LAST_TEACHER = LastTeacher()
"""Cached for the students that this process trains one after another."""


def train_and_publish(
    job: GenerationJob,
    *,
    workers: Workers,
    device: torch.device,
    on_epoch: Callable[[EpochReport], None],
    on_uncompiled: Callable[[CompileFailure | None, int], None] = lambda _failure, _epochs: None,
) -> bool:
    """Train a generation from its last saved epoch, and publish it; False if it was asked to stop before.

    A generation that began compiled resumes compiled, one that began uncompiled resumes uncompiled, whether or not the
    job is `compiled`. If it can or may no longer be compiled, it trains uncompiled.

    Side effects, all in the store: progress after each epoch, then the finished generation, by worker 0 alone.
    `on_epoch` is called on every worker, after the epoch's progress is saved; `on_uncompiled`, on every worker, if it
    trains uncompiled although it was to be compiled, with the failure (None: the job excludes compiling) and the number
    of epochs that ran compiled before.
    Raises TrainingError, DataError or StoreError.
    """
    store = Store(job.store)
    generation = job.generation
    started_at = time.time()
    # Workers of a former attempt may still be writing: all must resume from what worker 0 reads.
    progress = workers.from_first(store.load_progress(generation.id) if workers.rank == 0 else None)
    compiled_epochs = 0 if progress is None else progress.compiled_epochs

    def report_uncompiled(failure: CompileFailure | None) -> None:
        on_uncompiled(failure, compiled_epochs or 0)

    with explain_out_of_memory(device, "before the first step"):
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
        versions={"python": platform.python_version(), "bansweep": __version__, "torch": version("torch")},
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
    # If some epochs ran uncompiled, it continues uncompiled.
    return progress.compiled_epochs == progress.epochs_done


def _is_asked_to_stop(store: Store, generation_id: str, workers: Workers) -> bool:
    # Workers must agree, but would look at different times: only the first one looks.
    return workers.rank == 0 and store.is_asked_to_stop(generation_id)


def _predictions(answers: ClassProbabilities | TokenLogProbabilities) -> Predictions | TokenPredictions:
    if isinstance(answers, ClassProbabilities):
        return Predictions(answers.probabilities_NC, answers.labels_N)
    return TokenPredictions(answers.validation_N, answers.test_N)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"


@dataclass(frozen=True)
class PreparedRun:
    """A run that can begin or resume, with the facts about its data and its teacher for the record.

    For text, `classes` is the size of the vocabulary, and `input_shape` is None.
    """

    run: GenerationRun
    input_shape: tuple[int, int, int] | None
    classes: int
    teacher_digest: str | None


def prepare_run(
    job: GenerationJob,
    *,
    device: torch.device,
    workers: Workers,
    on_compile_failure: Callable[[CompileFailure], None] = lambda _: None,
) -> PreparedRun:
    """Load the data of the job's generation, and its teacher from the store. Raises DataError or StoreError.

    `on_compile_failure` is called if its network cannot be compiled and is trained uncompiled instead.
    """
    store = Store(job.teachers or job.store)
    teacher = _teacher_record(job, store)
    digest = None if teacher is None else teacher.digests["weights.safetensors"]
    if is_text(job.data):
        text = _text(job.data, job.generation.data.fingerprint)
        run: GenerationRun = _language_run(job, text, teacher, store, device, workers)
        return PreparedRun(run, None, len(text.vocabulary), digest)
    images = _images(job.data, job.generation.data.fingerprint)
    image_run = _image_run(job, images, teacher, store, device, workers, on_compile_failure)
    return PreparedRun(image_run, images.input_shape, len(images.classes), digest)


def _image_run(
    job: GenerationJob,
    data: ImageData,
    teacher: GenerationRecord | None,
    store: Store,
    device: torch.device,
    workers: Workers,
    on_compile_failure: Callable[[CompileFailure], None],
) -> ImageRun:
    if teacher is not None:
        check_user_code(teacher, planned_id=job.generation.teacher)
    return ImageRun(
        job.generation,
        data,
        teacher=None if teacher is None else _teacher(job, data, teacher, store, device),
        device=device,
        workers=workers,
        compiled=job.compiled,
        recompute=job.recompute,
        diagnostics=job.diagnostics,
        on_compile_failure=on_compile_failure,
    )


def _teacher(
    job: GenerationJob, data: ImageData, record: GenerationRecord, store: Store, device: torch.device
) -> Teacher:
    """The teacher; that of this process's last student, if it is the same."""
    network = record.trained.network
    assert not is_language_model(network)
    key = (
        (record.digests["weights.safetensors"], network, job.generation.data),
        # These decide how its logits are rounded, ...
        (device, torch.get_num_threads()),
        # ... and these which of them are cached.
        (job.teacher_memory_gb, job.teacher_disk_gb),
    )

    def make() -> Teacher:
        return Teacher(
            network,
            store.weights(record.id),
            input_shape=data.input_shape,
            classes=len(data.classes),
            device=device,
            memory_bytes=job.teacher_memory_gb * _BYTES_OF_A_GB,
            disk_bytes=job.teacher_disk_gb * _BYTES_OF_A_GB,
        )

    loss = job.generation.loss
    return _LAST_TEACHER.get(key, make, for_logits=loss.teacher != "none" and not loss.stage_outputs)


def drop_last_teacher() -> None:
    """Free the last student's teacher and its table, which this process has cached for the next one."""
    _LAST_TEACHER.clear()


def _language_run(
    job: GenerationJob,
    data: TextData,
    teacher: GenerationRecord | None,
    store: Store,
    device: torch.device,
    workers: Workers,
) -> LanguageRun:
    language_teacher = None
    if teacher is not None:
        assert is_language_model(teacher.trained.network)
        weights = store.weights(teacher.id)
        language_teacher = LanguageTeacher(
            frozen_language_model(teacher.trained.network, weights, vocabulary=data.vocabulary, device=device),
            memory_bytes=job.teacher_memory_gb * _BYTES_OF_A_GB,
            disk_bytes=job.teacher_disk_gb * _BYTES_OF_A_GB,
        )
    return LanguageRun(
        job.generation,
        data,
        teacher=language_teacher,
        device=device,
        workers=workers,
        diagnostics=job.diagnostics,
    )


@lru_cache(maxsize=1)
def _images(data: ImageDataSpec, fingerprint: str) -> ImageData:
    """The images, mapped into memory once for all generations that this process trains one after another."""
    return load_images(data, prepare(data, known_as=fingerprint))


@lru_cache(maxsize=1)
def _text(data: TextSpec, fingerprint: str) -> TextData:
    return load_text(data, prepare(data, known_as=fingerprint))


def _teacher_record(job: GenerationJob, store: Store) -> GenerationRecord | None:
    teacher_id = job.generation.teacher
    if teacher_id is None:
        return None
    record = store.record(teacher_id)
    if record is None:
        raise StoreError(
            f"the teacher {teacher_id} is not in the store {store.location}",
            remedy="it was removed while the sweep ran; run the sweep again to retrain it",
        )
    return record
