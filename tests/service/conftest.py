"""A sweep that is loaded, and a store in which some of it is finished without anyone having trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from demo_sweep import ids_of
from made_up_generation import publish_made_up

import bansweep
from bansweep.graph.results import EpochReport
from bansweep.store.parquet_tables import Predictions
from bansweep.store.store import Store

LABELS_N = np.array([0, 1, 1, 0])


@pytest.fixture
def sweep(sweep_file: Path) -> bansweep.Sweep:
    return bansweep.load_sweep(sweep_file, {"recipe.epochs": 2})


@pytest.fixture
def finish(sweep: bansweep.Sweep, tmp_path: Path) -> Callable[[str, list[int]], str]:
    """Finish a column's generation in the store `tmp_path`, which takes the test's four images for other classes."""

    def publish(column: str, predicted: list[int]) -> str:
        plan = sweep.plan()
        generation_id = ids_of(plan)[column]
        error = 100 * float(np.mean(np.array(predicted) != LABELS_N))
        publish_made_up(
            Store(tmp_path),
            plan.generations[generation_id],
            metrics={"test_error": error, "test_loss": 0.5},
            history=[EpochReport(epoch, 2, 1.5, 60.0 * epoch, {"train_loss": 1 / epoch}) for epoch in (1, 2)],
            predictions=Predictions(np.eye(2, dtype=np.float32)[predicted], LABELS_N),
        )
        return generation_id

    return publish
