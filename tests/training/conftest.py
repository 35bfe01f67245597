"""Small real data and small real generations: scikit-learn's digits on the smallest Wide-ResNet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bansweep.config.data import Digits
from bansweep.config.recipes import RECIPES, Augmentation
from bansweep.data.datasets import ImageData, load_images
from bansweep.data.fingerprint import data_identity
from bansweep.data.prepare import prepare
from bansweep.graph.generation import Generation
from bansweep.training.generation_run import TrainedGeneration
from bansweep.training.image_run import ImageRun
from bansweep.training.teacher import Teacher

DIGITS = Digits(limit=128, test_limit=100)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(DIGITS, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def digits(data_folder: Path) -> ImageData:
    return load_images(DIGITS, data_folder)


@pytest.fixture(scope="session")
def make_generation() -> Callable[..., Generation]:
    """Generations on 128 digits; keyword arguments change recipe fields or the generation's own."""

    def make(**changes: Any) -> Generation:
        recipe = {
            **RECIPES["wide-resnet"],
            "epochs": 2,
            "batch_size": 32,
            "learning_rate": 0.1,
            "augmentation": Augmentation(pad=1, fill="zero", flip=False),
        }
        recipe.update({name: changes.pop(name) for name in list(changes) if name in recipe})
        fields = {
            "network": "wrn-10-1",
            "loss": "labels",
            "recipe": recipe,
            "data": data_identity(DIGITS),
            "precision": "fp32",
            "seed": 1,
            "generation_index": 0,
            "teacher": None,
        }
        return Generation.model_validate({**fields, **changes})

    return make


@pytest.fixture(scope="session")
def teacher_weights(make_generation: Callable[..., Generation], digits: ImageData) -> bytes:
    """The weights of a label-trained teacher."""
    return trained(ImageRun(make_generation(epochs=10), digits)).weights


@pytest.fixture
def teacher(teacher_weights: bytes, make_generation: Callable[..., Generation], digits: ImageData) -> Teacher:
    return Teacher(
        make_generation().network,
        teacher_weights,
        input_shape=digits.input_shape,
        classes=10,
        device=torch.device("cpu"),
    )


def trained(run: ImageRun) -> TrainedGeneration:
    for _ in run.epochs():
        pass
    return run.result()
