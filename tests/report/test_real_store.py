"""The report of generations that the real store holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from made_up_generation import damage, publish_made_up

from bansweep.graph.plan import Plan
from bansweep.report.cells import ReportCell, cells
from bansweep.report.markdown import markdown
from bansweep.report.notation import notes
from bansweep.report.stored_figures import FinishedGenerations
from bansweep.report.table import report_table
from bansweep.store.store import Store


def published(root: Path, plan: Plan, memory: Any) -> Store:
    """A store with everything that `memory` has."""
    store = Store(root)
    for generation_id, record in memory.records.items():
        predictions = memory.stored[generation_id]
        publish_made_up(store, plan.generations[generation_id], metrics=record.metrics, predictions=predictions)
    return store


def test_language_models_are_the_same_as_from_memory(tmp_path: Path, text_plan: Plan, text_memory: Any) -> None:
    store = published(tmp_path, text_plan, text_memory)
    whole = report_table(text_plan, store, paper="table6")
    assert whole == report_table(text_plan, text_memory, paper="table6")
    file = tmp_path / "generations" / text_memory.id_at("lstm", "ban", 0) / "predictions.parquet"
    damage(file)
    table = report_table(text_plan, store, paper="table6")
    changed = [(cell.row, cell.column) for cell in table.cells if cell != whole.cell(cell.row, cell.column)]
    assert changed == [("lstm", "ens*2_val"), ("lstm", "ens*2_test")]
    assert [message.split()[0] for message in table.damaged] == [str(file)]


def report(plan: Plan, store: FinishedGenerations) -> tuple[ReportCell, ...]:
    return cells(plan, store, paper="table2")


def test_the_same_as_from_memory(tmp_path: Path, plan: Plan, memory: Any) -> None:
    found = report(plan, published(tmp_path, plan, memory))
    assert found == report(plan, memory)
    assert sum(cell.finished for cell in found) == 11


def test_an_empty_store(tmp_path: Path, plan: Plan) -> None:
    found = report(plan, Store(tmp_path / "none yet"))
    assert {cell.values for cell in found} == {(None, None, None)}


def test_damaged_predictions_cost_their_ensemble_alone(tmp_path: Path, plan: Plan, memory: Any) -> None:
    store = published(tmp_path, plan, memory)
    whole = report_table(plan, store, paper="table2")
    file = tmp_path / "generations" / memory.id_at("densenet-80-80", "ban", 3) / "predictions.parquet"
    damage(file)
    table = report_table(plan, store, paper="table2")
    changed = [(cell.row, cell.column) for cell in table.cells if cell != whole.cell(cell.row, cell.column)]
    assert changed == [("densenet-80-80", "ens*2")]
    cell = table.cell("densenet-80-80", "ens*2")
    assert cell is not None
    assert cell.values == (None, 50.0, None)
    assert [message.split()[0] for message in table.damaged] == [str(file)]
    assert whole.damaged == ()


def test_a_damaged_record_costs_what_needs_it_and_is_told_once(tmp_path: Path, plan: Plan, memory: Any) -> None:
    store = published(tmp_path, plan, memory)
    file = tmp_path / "generations" / memory.id_at("densenet-80-80", "ban", 3) / "generation.json"
    damage(file)
    table = report_table(plan, store, paper="table2")
    values = {(cell.row, cell.column): cell.values for cell in table.cells}
    assert values["densenet-80-80", "teacher"] == (18.0, 17.5, 17.0)
    assert values["densenet-80-80", "ban"] == (None, 17.1, 16.3)
    assert values["densenet-80-80", "ens*2"] == (None, 50.0, None)
    assert list(notes(table)).count(table.damaged[0]) == len(table.damaged) == 1
    assert markdown(table).replace("\\", "").count(str(file)) == 1
