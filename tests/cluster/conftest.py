"""A job for tests of trials that start no Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

from bansweep.cluster.job import GenerationJob
from bansweep.config.data import Digits
from bansweep.config.recipes import RECIPES
from bansweep.data.fingerprint import data_identity
from bansweep.graph.generation import Generation


@pytest.fixture
def job(tmp_path: Path) -> GenerationJob:
    data = Digits(limit=96, test_limit=20)
    generation = Generation.model_validate(
        {
            "network": "wrn-10-1",
            "loss": "labels",
            "recipe": RECIPES["wide-resnet"],
            "data": data_identity(data),
            "precision": "fp32",
            "seed": 1,
            "generation_index": 0,
        }
    )
    return GenerationJob(generation=generation, label="one", data=data, store=str(tmp_path / "store"))
