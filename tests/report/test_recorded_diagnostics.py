"""Which histories a plot can have, from a real store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bansweep.plan.events import EpochReport
from bansweep.plan.plan import Plan
from bansweep.report.recorded_diagnostics import recorded_diagnostics
from bansweep.store.predictions import Predictions
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store

RECORDED = (EpochReport(1, 1, 1.0, 0.0, {"train_loss": 1.0, "train_agreement": 50.0}),)
NOT_RECORDED = (EpochReport(1, 1, 1.0, 0.0, {"train_loss": 1.0}),)


def publish(store: Store, plan: Plan, generation_id: str, history: tuple[EpochReport, ...]) -> Path:
    """The folder of a generation that has this history."""
    store.publish(
        GenerationRecord(
            id=generation_id,
            generation=plan.generations[generation_id],
            label=plan.label(generation_id),
            input_shape=(1, 8, 8),
            classes=2,
            parameters=7,
            teacher_digest=None,
            metrics={"test_error": 5.0},
            training_seconds=1.0,
            started_at=0.0,
            finished_at=1.0,
            device="cpu",
            host="here",
            versions={},
        ),
        weights=b"",
        history=history,
        predictions=Predictions(np.full((1, 2), 0.5, np.float32), np.zeros(1, np.int64)),
    )
    return store.root / "generations" / generation_id


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_finished_students_that_recorded_something(tmp_path: Path, plan: Plan, memory: Any) -> None:
    store = Store(tmp_path)
    ban, ban_2 = (memory.id_at("densenet-80-80", column, 3) for column in ("ban", "ban-2"))
    publish(store, plan, ban, RECORDED)
    publish(store, plan, ban_2, NOT_RECORDED)
    publish(store, plan, memory.id_at("densenet-80-80", "teacher", 3), RECORDED)
    assert recorded_diagnostics(plan, store) == {ban: RECORDED}


def test_damaged_generations_are_left_out(tmp_path: Path, plan: Plan, memory: Any) -> None:
    store = Store(tmp_path)
    whole, damaged_history, damaged_record = (memory.id_at("densenet-80-80", "ban", seed) for seed in (3, 1, 2))
    for generation_id, file in ((damaged_history, "history.parquet"), (damaged_record, "generation.json")):
        damage(publish(store, plan, generation_id, RECORDED) / file)
    publish(store, plan, whole, RECORDED)
    assert list(recorded_diagnostics(plan, store)) == [whole]


def test_an_empty_store_has_none(tmp_path: Path, plan: Plan) -> None:
    assert recorded_diagnostics(plan, Store(tmp_path / "none yet")) == {}
