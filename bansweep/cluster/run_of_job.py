"""From a job to the training that it asks for: data, teacher and network, of images or of text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from bansweep.cluster.job import GenerationJob
from bansweep.data.images import ImageData, load_images
from bansweep.data.prepare import prepare
from bansweep.data.text import TextData, load_text
from bansweep.errors import StoreError
from bansweep.spec.data import ImageDataSpec, is_text
from bansweep.spec.networks import is_language_model
from bansweep.spec.text_data import TextSpec
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store
from bansweep.training.generation_run import GenerationRun
from bansweep.training.image_run import ImageRun
from bansweep.training.language_run import LanguageRun
from bansweep.training.teacher import FrozenTeacher, frozen_language_model
from bansweep.training.workers import Workers

_BYTES_OF_A_GB = 1e9


@dataclass(frozen=True)
class PreparedRun:
    """A run that may begin or resume, and what a record says of its data and its teacher.

    `classes` counts the words of a text's vocabulary, which has no `input_shape`.
    """

    run: GenerationRun
    input_shape: tuple[int, int, int] | None
    classes: int
    teacher_digest: str | None


def prepare_run(job: GenerationJob, *, device: torch.device, workers: Workers) -> PreparedRun:
    """Load what the job's generation needs, the teacher from its store. Raises DataError or StoreError."""
    store = Store(job.teachers or job.store)
    teacher = _teacher_record(job, store)
    digest = None if teacher is None else teacher.digests["weights.safetensors"]
    if is_text(job.data):
        text = _text(job.data)
        run: GenerationRun = _language_run(job, text, teacher, store, device, workers)
        return PreparedRun(run, None, len(text.vocabulary), digest)
    images = _images(job.data)
    return PreparedRun(
        _image_run(job, images, teacher, store, device, workers), images.input_shape, len(images.classes), digest
    )


def _image_run(
    job: GenerationJob,
    data: ImageData,
    teacher: GenerationRecord | None,
    store: Store,
    device: torch.device,
    workers: Workers,
) -> ImageRun:
    frozen = None
    if teacher is not None:
        assert not is_language_model(teacher.trained.network)
        frozen = FrozenTeacher(
            teacher.trained.network,
            store.weights(teacher.id),
            input_shape=data.input_shape,
            classes=len(data.classes),
            device=device,
        )
    return ImageRun(
        job.generation,
        data,
        teacher=frozen,
        device=device,
        workers=workers,
        compiled=job.compiled,
        diagnostics=job.diagnostics,
    )


def _language_run(
    job: GenerationJob,
    data: TextData,
    teacher: GenerationRecord | None,
    store: Store,
    device: torch.device,
    workers: Workers,
) -> LanguageRun:
    frozen = None
    if teacher is not None:
        assert is_language_model(teacher.trained.network)
        weights = store.weights(teacher.id)
        frozen = frozen_language_model(teacher.trained.network, weights, vocabulary=data.vocabulary, device=device)
    return LanguageRun(
        job.generation,
        data,
        teacher=frozen,
        teacher_memory_bytes=job.teacher_memory_gb * _BYTES_OF_A_GB,
        teacher_disk_bytes=job.teacher_disk_gb * _BYTES_OF_A_GB,
        device=device,
        workers=workers,
        diagnostics=job.diagnostics,
    )


@lru_cache(maxsize=1)
def _images(data: ImageDataSpec) -> ImageData:
    """The images, mapped once for all generations that this process trains one after another."""
    return load_images(data, prepare(data))


@lru_cache(maxsize=1)
def _text(data: TextSpec) -> TextData:
    return load_text(data, prepare(data))


def _teacher_record(job: GenerationJob, store: Store) -> GenerationRecord | None:
    teacher_id = job.generation.teacher
    if teacher_id is None:
        return None
    record = store.record(teacher_id)
    if record is None:
        raise StoreError(
            f"the teacher {teacher_id} is not in the store {store.root}",
            remedy="it was removed while the sweep ran; run the sweep again to train it anew",
        )
    return record
