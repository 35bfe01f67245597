"""Sweeps in a store, and the pages that are made from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from made_up_generation import publish_made_up

from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.report.diagnostics import DIAGNOSTICS
from bansweep.report.page.source import Commands, PageSource
from bansweep.report.table import report_table
from bansweep.store.parquet_tables import Predictions
from bansweep.store.store import Store

ERRORS = {"teacher": 17.5, "ban": 16.5, "ban-2": 16.0}

MakeSource = Callable[..., PageSource]


def epochs_of(error: float, *, taught: bool, epochs: int = 5) -> list[EpochReport]:
    """A curve down to its error; of a student with diagnostics, too."""
    history = []
    for epoch in range(1, epochs + 1):
        seen = dict.fromkeys(DIAGNOSTICS, 1 / epoch) if taught else {}
        metrics = {"train_loss": 2 / epoch, "test_error": error + 50 * math.exp(-epoch), **seen}
        history.append(EpochReport(epoch, epochs, 1.0, float(epoch), metrics))
    return history


def publish(store: Store, plan: Plan, generation_id: str, error: float, *, seconds: float = 600.0) -> None:
    """A finished generation that takes every image for class 0 of the classes 0, 1, 0, 2."""
    generation = plan.generations[generation_id]
    publish_made_up(
        store,
        generation,
        history=epochs_of(error, taught=generation.teacher is not None),
        predictions=Predictions(np.tile(np.float32([0.8, 0.1, 0.1]), (4, 1)), np.array([0, 1, 0, 2])),
        label=plan.label(generation_id),
        metrics={"test_error": error, "test_loss": 0.5, "learning_rate": 0.1},
        training_seconds=seconds,
        device="NVIDIA H200",
        parameters=22_400_000,
    )


@pytest.fixture
def make_source(tmp_path: Path) -> MakeSource:
    """The source of a plan's page, once generations in these columns are finished."""

    def made(
        plan: Plan,
        *,
        columns: Sequence[str] = tuple(ERRORS),
        paper: str | None = "table2",
        device_hours: dict[str, float] | None = None,
        rehearsal: bool = False,
    ) -> PageSource:
        store = Store(tmp_path / "store")
        for number, generation_id in enumerate(plan.generations):
            cell = plan.cells_of[generation_id][0]
            if cell.column in columns:
                publish(store, plan, generation_id, ERRORS.get(cell.column, 16.0) + (number * 7 % 5) / 10)
        table = report_table(plan, store, paper=paper, rehearsal=rehearsal)
        commands = Commands("my sweep.yaml", "store", "store", ["--set", "recipe.epochs=5"])
        return PageSource(table, plan, store, commands, device_hours or {})

    return made


@pytest.fixture
def source(plan: Plan, make_source: MakeSource) -> PageSource:
    """All of densenet-80-80 and densenet-80-120, three seeds, beside table 2."""
    return make_source(plan)
