"""The loops that `step.py` compares: bansweep's own, and those that people write.

All train the same network by the same loss with the same SGD. A turn is `steps` steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from typing import Any, Literal

import torch
from devices import CPU
from PIL import Image
from random_images import (
    SEED,
    AskedInTheStep,
    StepsOnly,
    image_network,
    make_teacher,
    random_data,
    read,
    resident,
    student,
)
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms
from turns import Loop, timed

from bansweep.data.datasets import ImageData, ImageSplit
from bansweep.networks.build import build_network
from bansweep.training.precision import autocast

Loss = Literal["labels", "kd", "kd-cached"]

CLASSES = 10
SGD: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
ENDLESS: dict[str, Any] = {"replacement": True, "num_samples": 2**40}
ALL_VIEWS = 1e12
PREFETCHED = 2  # batches that each of DataLoader's workers has ready


@dataclass(frozen=True)
class Case:
    """What is trained, and on how many threads; `workers` are DataLoader's."""

    network: str
    size: int
    loss: Loss
    precision: str
    batch: int
    steps: int
    threads: int
    workers: int
    device: torch.device = CPU

    @property
    def data(self) -> ImageData:
        return random_data(self.batch * self.steps, size=self.size, classes=CLASSES)


def ours(case: Case) -> Loop:
    """bansweep's run, an epoch a turn. Cached targets are in the table before their epoch begins."""
    torch.set_num_threads(case.threads)
    data, network = case.data, image_network(case.network)
    generation = student(
        network,
        "labels" if case.loss == "labels" else "kd",
        precision=case.precision,
        batch=case.batch,
        epochs=100_000,
    )
    kept = case.loss == "kd-cached"
    teacher = None if case.loss == "labels" else make_teacher(network, data, case.device, ALL_VIEWS if kept else 0)
    kind = AskedInTheStep if case.loss == "kd" else StepsOnly
    epochs = kind(generation, data, teacher=teacher, device=case.device).epochs()
    for epoch in count(1):
        if teacher is not None and kept:
            read(teacher, resident(data, case.device), case.precision, seed=SEED, epoch=epoch, batch=case.batch)
        yield timed(case.steps, partial(next, epochs), case.device)


def bare(case: Case) -> Loop:
    """One batch that never changes, and neither do its cached targets: forward, loss, backward, update."""
    torch.set_num_threads(case.threads)
    take_step = _Step(case, torch.channels_last)
    images_BKHW = torch.randn(case.batch, 3, case.size, case.size).contiguous(memory_format=torch.channels_last)
    images_BKHW = images_BKHW.to(case.device)
    answers = torch.randn(case.batch, CLASSES) if case.loss == "kd-cached" else torch.randint(CLASSES, (case.batch,))
    answers = answers.to(case.device)

    def take_steps() -> None:
        for _ in range(case.steps):
            take_step(images_BKHW, answers)

    while True:
        yield timed(case.steps, take_steps, case.device)


def loader(case: Case) -> Loop:
    """DataLoader, torchvision's transforms and PyTorch's default memory format.

    Cached targets are of images, whatever view is shown: the usual way, which teaches something else for less work.
    """
    torch.set_num_threads(case.threads)
    take_step = _Step(case, torch.contiguous_format)
    images = Images(case.data.train, with_logits=case.loss == "kd-cached")
    batches = DataLoader(
        images,
        case.batch,
        sampler=RandomSampler(images, **ENDLESS),
        num_workers=case.workers,
        pin_memory=case.device.type == "cuda",
    )

    def moved(batch: Sequence[Tensor]) -> Iterator[Tensor]:
        return (part.to(case.device, non_blocking=True) for part in batch)

    return _turns(case, iter(batches), lambda batch: take_step(*moved(batch)))


def torchdistill(case: Case) -> Loop:
    """torchdistill's DistillationBox with its KDLoss, driven as its examples drive it; the teacher is in the step."""
    torch.set_num_threads(case.threads)
    kd = {
        "key": "KDLoss",
        "kwargs": {
            **{f"{who}_module_{what}": value for who in ("student", "teacher") for what, value in OUTPUT.items()},
            "temperature": 1.0,
            "alpha": 0.0,
        },
    }
    # By name, so that types can be checked where it is not installed.
    box = import_module("torchdistill.core.distillation").get_distillation_box(
        _network(case, torch.contiguous_format).eval(),
        _network(case, torch.contiguous_format),
        {"train": Images(case.data.train)},
        {
            "num_epochs": 1,
            "train_data_loader": {
                "dataset_id": "train",
                "sampler": {"class_or_func": RandomSampler, "kwargs": ENDLESS},
                "kwargs": {"batch_size": case.batch, "num_workers": case.workers},
            },
            "teacher": {"forward_proc": "forward_batch_only", "requires_grad": False},
            "student": {"forward_proc": "forward_batch_only"},
            "optimizer": {"key": "SGD", "kwargs": dict(SGD)},
            "criterion": {"key": "WeightedSumLoss", "kwargs": {"sub_terms": {"kd": {"criterion": kd, "weight": 1.0}}}},
        },
        device=case.device,
        device_ids=None,
        distributed=False,
        lr_factor=1.0,
    )

    def take_step(batch: Sequence[Any]) -> None:
        box.pre_forward_process()
        with autocast(case.device, bf16=case.precision == "bf16"):
            loss = box.forward_process(*batch)
        box.post_forward_process(loss=loss)

    box.pre_epoch_process(epoch=0)
    return _turns(case, iter(box.train_data_loader), take_step)


OUTPUT = {"path": ".", "io": "output"}


def has_torchdistill() -> bool:
    return find_spec("torchdistill") is not None


class Images(Dataset[tuple[Tensor, int | Tensor]]):
    """PIL images, transformed one by one as they are asked for, with their labels or some teacher's logits.

    The transforms are torchvision's older ones, which are a quarter faster here than those of its `v2`.
    """

    def __init__(self, split: ImageSplit, *, with_logits: bool = False) -> None:
        self._images = [Image.fromarray(image_HWC) for image_HWC in split.images_NHWC]
        labels = split.labels_N.tolist()
        self._answers: Sequence[int | Tensor] = list(torch.randn(len(labels), CLASSES)) if with_logits else labels
        self._transform = transforms.Compose(
            [
                transforms.RandomCrop(split.images_NHWC.shape[1], padding=4, padding_mode="reflect"),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
            ]
        )

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int | Tensor]:
        return self._transform(self._images[index]), self._answers[index]


class _Step:
    """A step of a loop that people write: of images and labels, or of images and logits."""

    def __init__(self, case: Case, memory_format: torch.memory_format) -> None:
        self._bf16 = case.precision == "bf16"
        self._device = case.device
        self._network = _network(case, memory_format)
        self._teacher = _network(case, memory_format).eval() if case.loss == "kd" else None
        self._optimizer = torch.optim.SGD(self._network.parameters(), **SGD)

    def __call__(self, images_BKHW: Tensor, answers: Tensor) -> None:
        if self._teacher is not None:
            with torch.no_grad(), autocast(self._device, bf16=self._bf16):
                answers = self._teacher(images_BKHW)
        with autocast(self._device, bf16=self._bf16):
            logits_BC = self._network(images_BKHW)
        targets = answers.float().softmax(dim=1) if answers.is_floating_point() else answers
        loss = cross_entropy(logits_BC.float(), targets)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()


def _network(case: Case, memory_format: torch.memory_format) -> nn.Module:
    network = build_network(image_network(case.network), input_shape=(3, case.size, case.size), classes=CLASSES)
    return network.to(case.device, memory_format=memory_format)


def _turns(case: Case, batches: Iterator[Any], take_step: Callable[[Any], None]) -> Loop:
    """Where a turn has several steps, those for which workers had batches ready as it began are not counted."""
    uncounted = PREFETCHED * case.workers if case.steps > 1 else 0

    def take_steps(steps: int) -> None:
        for _ in range(steps):
            take_step(next(batches))

    while True:
        take_steps(uncounted)
        yield timed(case.steps, partial(take_steps, case.steps), case.device)
