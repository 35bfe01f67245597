"""The report of generations that the real store holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bansweep.errors import DamagedError
from bansweep.plan.plan import Plan
from bansweep.report.cells import ReportCell, cells
from bansweep.report.results import FinishedGenerations
from bansweep.store.predictions import Predictions
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store


def published(root: Path, plan: Plan, memory: Any) -> Store:
    """A store with everything that `memory` has."""
    store = Store(root)
    for generation_id, record in memory.records.items():
        predictions = memory.stored[generation_id]
        store.publish(
            GenerationRecord(
                id=generation_id,
                generation=plan.generations[generation_id],
                label=plan.label(generation_id),
                input_shape=(1, 8, 8),
                classes=3,
                parameters=7,
                teacher_digest=None,
                metrics=record.metrics,
                training_seconds=1.0,
                started_at=0.0,
                finished_at=1.0,
                device="cpu",
                host="here",
                versions={},
            ),
            weights=b"",
            history=(),
            predictions=Predictions(predictions.probabilities_NC, predictions.labels_N.astype(np.int64)),
        )
    return store


def report(plan: Plan, store: FinishedGenerations) -> tuple[ReportCell, ...]:
    return cells(plan, store, paper="table2")


def test_the_same_as_from_memory(tmp_path: Path, plan: Plan, memory: Any) -> None:
    found = report(plan, published(tmp_path, plan, memory))
    assert found == report(plan, memory)
    assert sum(cell.finished for cell in found) == 11


def test_an_empty_store(tmp_path: Path, plan: Plan) -> None:
    assert all(cell.values == (None, None, None) for cell in report(plan, Store(tmp_path / "none yet")))


def test_damaged_predictions_are_no_figures(tmp_path: Path, plan: Plan, memory: Any) -> None:
    store = published(tmp_path, plan, memory)
    member = memory.id_at("densenet-80-80", "ban", 3)
    (file,) = (tmp_path / "generations" / member).glob("predictions*")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(DamagedError, match=member):
        report(plan, store)
