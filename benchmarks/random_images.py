"""Random images to train on, and teachers and runs for them: a step's cost does not depend on what is in its images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from devices import CPU
from torch import Tensor

from bansweep.config.networks import ImageNetworkSpec, NetworkSpec, is_language_model, network_from_name
from bansweep.config.recipes import RECIPES, Augmentation
from bansweep.data.augmentation import Views, draw_views, epoch_order
from bansweep.data.datasets import ImageData, ImageSplit
from bansweep.data.resident import ResidentImages
from bansweep.graph.generation import DataIdentity, Generation
from bansweep.networks.build import build_network
from bansweep.training.image_run import ImageRun
from bansweep.training.snapshot import weights_bytes
from bansweep.training.teacher import Teacher

AUGMENTATION = Augmentation()
SEED = 1


class StepsOnly(ImageRun):
    """A student who is never evaluated: an epoch is its steps, and what an epoch needs to have them."""

    def _evaluate(self) -> dict[str, float]:
        return {}


class AskedInTheStep(StepsOnly):
    """A student whose teacher sees its batch, in every step."""

    def _teacher_logits(self, shares: Sequence[Tensor], views: Views | None) -> Iterable[Tensor | None]:  # noqa: ARG002
        return [None] * len(shares)


def image_network(name: str) -> ImageNetworkSpec:
    try:
        network = network_from_name(name)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    if is_language_model(network):
        raise SystemExit(f"{name} is no image network")
    return network


def random_data(images: int, *, size: int, classes: int) -> ImageData:
    chance = np.random.default_rng(0)

    def split(count: int) -> ImageSplit:
        pixels = chance.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
        return ImageSplit(pixels, chance.integers(0, classes, count))

    names = tuple(map(str, range(classes)))
    return ImageData(split(images), None, split(1), names, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def make_teacher(network: ImageNetworkSpec, data: ImageData, device: torch.device = CPU, room: float = 0) -> Teacher:
    """With random weights. `room`: how many bytes of its logits it may keep."""
    classes = len(data.classes)
    torch.manual_seed(0)
    weights = weights_bytes(build_network(network, input_shape=data.input_shape, classes=classes))
    return Teacher(network, weights, input_shape=data.input_shape, classes=classes, device=device, memory_bytes=room)


def resident(data: ImageData, device: torch.device = CPU) -> ResidentImages:
    return ResidentImages(data.train, device=device, mean=data.mean, std=data.std)


def read(
    teacher: Teacher, images: ResidentImages, precision: str, *, seed: int, epoch: int, batch: int
) -> list[Tensor]:
    """The logits of each step of an epoch, as a student with this seed asks for them."""
    order = epoch_order(len(images), seed, epoch)
    steps = order[: len(images) // batch * batch].split(batch)
    views = draw_views(AUGMENTATION, len(images), seed, epoch)
    return list(teacher.logits_of_epoch(images, steps, views, augmentation=AUGMENTATION, bf16=precision == "bf16"))


def student(network: ImageNetworkSpec, loss: str, *, precision: str, batch: int, epochs: int) -> Generation:
    """A generation with SEED, by the paper's recipe."""
    recipe = {**RECIPES["wide-resnet"], "epochs": epochs, "batch_size": batch}
    return untrained(network, loss, recipe, data="random", precision=precision)


def untrained(network: NetworkSpec, loss: str, recipe: dict[str, Any], *, data: str, precision: str) -> Generation:
    """A generation with SEED that learns from labels, or from a teacher that its run is given."""
    taught = loss != "labels"
    return Generation.model_validate(
        {
            "network": network,
            "loss": loss,
            "recipe": recipe,
            "data": DataIdentity(kind=data, fingerprint="benchmark"),
            "precision": precision,
            "seed": SEED,
            "generation_index": int(taught),
            "teacher": "t" if taught else None,
        }
    )
