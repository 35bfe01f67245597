"""From a job to the training that it asks for: data, teacher and network, of images or of text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch

from bansweep.cluster.job import GenerationJob
from bansweep.data.images import ImageData, load_images
from bansweep.data.prepare import prepare
from bansweep.data.text import TextData, load_text
from bansweep.errors import StoreError
from bansweep.plan.events import CompileFailure
from bansweep.spec.data import ImageDataSpec, is_text
from bansweep.spec.networks import is_language_model
from bansweep.spec.recipes import Recipe
from bansweep.spec.text_data import TextSpec
from bansweep.store.own_code import check_own_code
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store
from bansweep.training.generation_run import GenerationRun
from bansweep.training.image_run import ImageRun
from bansweep.training.language_run import LanguageRun
from bansweep.training.target_table import LastTable, TargetTable, learns_from_logits
from bansweep.training.teacher import FrozenTeacher, frozen_language_model
from bansweep.training.workers import Workers

_BYTES_OF_A_GB = 1e9
_LAST_TABLE = LastTable()
"""For all students of a teacher that this process trains one after another."""


@dataclass(frozen=True)
class PreparedRun:
    """A run that may begin or resume, and what a record says of its data and its teacher.

    `classes` counts the words of a text's vocabulary, which has no `input_shape`.
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
    """Load what the job's generation needs, the teacher from its store. Raises DataError or StoreError.

    `on_compile_failure` is called when its network cannot be compiled and is trained uncompiled instead.
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


def drop_last_table() -> None:
    """Free the table of the last student's teacher, which this process has kept for the next one."""
    _LAST_TABLE.clear()


def _image_run(
    job: GenerationJob,
    data: ImageData,
    teacher: GenerationRecord | None,
    store: Store,
    device: torch.device,
    workers: Workers,
    on_compile_failure: Callable[[CompileFailure], None],
) -> ImageRun:
    frozen, targets = None, None
    if teacher is not None:
        check_own_code(teacher, planned_id=job.generation.teacher)
        if learns_from_logits(job.generation.loss):
            targets = _target_table(job, data, teacher, store, device)
        frozen = _frozen_teacher(data, teacher, store, device) if targets is None else targets.teacher
    return ImageRun(
        job.generation,
        data,
        teacher=frozen,
        targets=targets,
        device=device,
        workers=workers,
        compiled=job.compiled,
        recompute=job.recompute,
        diagnostics=job.diagnostics,
        on_compile_failure=on_compile_failure,
    )


def _target_table(
    job: GenerationJob, data: ImageData, teacher: GenerationRecord, store: Store, device: torch.device
) -> TargetTable:
    """The teacher's, from this process's last student where that had the same teacher."""
    generation = job.generation
    assert isinstance(generation.recipe, Recipe)
    augmentation = generation.recipe.augmentation
    key = (
        (teacher.digests["weights.safetensors"], teacher.trained.network),
        (generation.data, augmentation),
        # On these depends how the teacher's logits are rounded, ...
        (generation.precision, device, torch.get_num_threads()),
        # ... and on these what is kept of them.
        (job.teacher_memory_gb, job.teacher_disk_gb),
    )

    def make() -> TargetTable:
        return TargetTable(
            _frozen_teacher(data, teacher, store, device),
            augmentation,
            images=len(data.train),
            classes=len(data.classes),
            bf16=generation.precision == "bf16",
            memory_bytes=job.teacher_memory_gb * _BYTES_OF_A_GB,
            disk_bytes=job.teacher_disk_gb * _BYTES_OF_A_GB,
        )

    return _LAST_TABLE.get(key, make)


def _frozen_teacher(data: ImageData, teacher: GenerationRecord, store: Store, device: torch.device) -> FrozenTeacher:
    assert not is_language_model(teacher.trained.network)
    return FrozenTeacher(
        teacher.trained.network,
        store.weights(teacher.id),
        input_shape=data.input_shape,
        classes=len(data.classes),
        device=device,
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
def _images(data: ImageDataSpec, fingerprint: str) -> ImageData:
    """The images, mapped once for all generations that this process trains one after another."""
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
            remedy="it was removed while the sweep ran; run the sweep again to train it anew",
        )
    return record
