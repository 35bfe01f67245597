"""Which histories a plot can have, from a real store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from made_up_generation import damage, publish_made_up

from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.report.diagnostics import recorded_diagnostics
from bansweep.store.store import Store

RECORDED = (EpochReport(1, 1, 1.0, 0.0, {"train_loss": 1.0, "train_agreement": 50.0}),)
NOT_RECORDED = (EpochReport(1, 1, 1.0, 0.0, {"train_loss": 1.0}),)


def test_finished_students_that_recorded_something(tmp_path: Path, plan: Plan, memory: Any) -> None:
    store = Store(tmp_path)
    ban, ban_2 = (memory.id_at("densenet-80-80", column, 3) for column in ("ban", "ban-2"))
    teacher = memory.id_at("densenet-80-80", "teacher", 3)
    for generation_id, history in ((ban, RECORDED), (ban_2, NOT_RECORDED), (teacher, RECORDED)):
        publish_made_up(store, plan.generations[generation_id], history=history)
    assert recorded_diagnostics(plan, store) == {ban: RECORDED}


def test_damaged_generations_are_left_out(tmp_path: Path, plan: Plan, memory: Any) -> None:
    store = Store(tmp_path)
    whole, damaged_history, damaged_record = (memory.id_at("densenet-80-80", "ban", seed) for seed in (3, 1, 2))
    for generation_id, file in ((damaged_history, "history.parquet"), (damaged_record, "generation.json")):
        damage(publish_made_up(store, plan.generations[generation_id], history=RECORDED) / file)
    publish_made_up(store, plan.generations[whole], history=RECORDED)
    assert list(recorded_diagnostics(plan, store)) == [whole]


def test_an_empty_store_has_none(tmp_path: Path, plan: Plan) -> None:
    assert recorded_diagnostics(plan, Store(tmp_path / "none yet")) == {}
