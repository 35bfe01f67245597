"""A generation to store, with everything that belongs to it, and a way to run a script as another process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bansweep.config.losses import KdLoss
from bansweep.config.networks import WideResNet
from bansweep.config.recipes import RECIPES, Recipe
from bansweep.graph.generation import DataIdentity, Generation
from bansweep.graph.results import EpochReport
from bansweep.store.parquet_tables import Predictions
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store

StartScript = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def record() -> GenerationRecord:
    generation = Generation(
        network=WideResNet(depth=10, width=1),
        loss=KdLoss(),
        recipe=Recipe.model_validate(RECIPES["wide-resnet"]),
        data=DataIdentity(kind="digits", fingerprint="ab" * 32),
        precision="fp32",
        seed=2**62 + 1,
        generation_index=1,
        teacher="0123456789abcdef",
    )
    return GenerationRecord(
        id=generation.id,
        generation=generation,
        label="wrn-10-1 / ban × 2",
        input_shape=(1, 8, 8),
        classes=10,
        parameters=77_850,
        teacher_digest="cd" * 32,
        metrics={"test_error": 3.3333333333333335, "test_loss": 0.1 + 0.2},
        training_seconds=12.5,
        started_at=1_700_000_000.25,
        finished_at=1_700_000_012.75,
        device="cpu",
        host="here",
        versions={"torch": "2.15.0"},
    )


@pytest.fixture
def weights() -> bytes:
    return bytes(range(256)) * 40


@pytest.fixture
def history() -> tuple[EpochReport, ...]:
    return (
        EpochReport(1, 2, 6.25, 1_700_000_006.5, {"train_loss": 2.302585092994046, "test_error": 90.0}),
        EpochReport(2, 2, 6.0, 1_700_000_012.5, {"train_loss": 1.1, "test_error": 10.0, "learning_rate": 0.1}),
    )


@pytest.fixture
def predictions() -> Predictions:
    generator = np.random.default_rng(0)
    return Predictions(
        probabilities_NC=generator.dirichlet(np.ones(10), size=36).astype(np.float32),
        labels_N=generator.integers(0, 10, size=36),
    )


@pytest.fixture
def start_script() -> StartScript:
    """Starts Python code as a process of its own, with these arguments and this package importable."""

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        root = str(Path(__file__).parents[2])
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": root},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    return start
