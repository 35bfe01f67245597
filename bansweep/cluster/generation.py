"""The doing of a job: the same in a trial's own process and in each worker of a group."""

from __future__ import annotations

import platform
import socket
import time
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version

import torch

from bansweep.cluster.job import GenerationJob
from bansweep.data.images import ImageData, load_images
from bansweep.data.prepare import prepare
from bansweep.errors import StoreError
from bansweep.plan.events import EpochReport
from bansweep.plan.generation import Generation
from bansweep.spec.data import DataSpec
from bansweep.store.predictions import Predictions
from bansweep.store.progress import Progress
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store
from bansweep.training.generation_run import GenerationRun
from bansweep.training.teacher import FrozenTeacher
from bansweep.training.workers import Workers


def train_and_publish(
    job: GenerationJob,
    *,
    workers: Workers,
    device: torch.device,
    on_epoch: Callable[[EpochReport], None],
) -> None:
    """Train a generation from wherever its progress stands, and publish it.

    Side effects, all in the store: progress after each epoch, then the finished generation, by worker 0 alone.
    `on_epoch` is called on every worker, after the epoch's progress is safe.
    Raises TrainingError, DataError or StoreError.
    """
    store = Store(job.store)
    generation = job.generation
    data = _images(job.data)
    teacher, teacher_digest = _teacher(store, generation, device)
    run = GenerationRun(
        generation,
        data,
        teacher=teacher,
        device=device,
        workers=workers,
        compiled=job.compiled,
        diagnostics=job.diagnostics,
    )
    started_at = time.time()
    # Workers of a former attempt may still be writing: all have to resume from what worker 0 saw.
    progress = workers.from_first(store.load_progress(generation.id) if workers.rank == 0 else None)
    if progress is not None:
        run.resume(progress.tensors, progress.history)
    for report in run.epochs():
        if workers.rank == 0:
            store.save_progress(generation.id, Progress(len(run.history), run.snapshot(), tuple(run.history)))
        on_epoch(report)
    trained = run.result()
    if workers.rank != 0:
        return
    record = GenerationRecord(
        id=generation.id,
        generation=generation,
        label=job.label,
        input_shape=data.input_shape,
        classes=len(data.classes),
        parameters=trained.parameters,
        teacher_digest=teacher_digest,
        metrics=trained.metrics,
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
        predictions=Predictions(trained.probabilities_NC, trained.labels_N),
    )
    store.clear_progress(generation.id)


@lru_cache(maxsize=1)
def _images(data: DataSpec) -> ImageData:
    """The images, mapped once for all generations that this process trains one after another."""
    return load_images(data, prepare(data))


def _teacher(store: Store, generation: Generation, device: torch.device) -> tuple[FrozenTeacher | None, str | None]:
    """The teacher's network, and the digest of the weights that it has."""
    if generation.teacher is None:
        return None, None
    record = store.record(generation.teacher)
    if record is None:
        raise StoreError(
            f"the teacher {generation.teacher} is not in the store {store.root}",
            remedy="it was removed while the sweep ran; run the sweep again to train it anew",
        )
    teacher = FrozenTeacher(
        record.generation.network,
        store.weights(generation.teacher),
        input_shape=record.input_shape,
        classes=record.classes,
        device=device,
    )
    return teacher, record.digests["weights.safetensors"]


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"
