"""Plans, records and histories as pandas DataFrames."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from bansweep.errors import DamagedError
from bansweep.graph.plan import Plan
from bansweep.report.table import ReportTable
from bansweep.service.generation_states import generation_states
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store

_CELLS = ("row", "column", "kind", "seed", "value", "paper")
_HISTORIES = ("generation", "label", "epoch", "metric", "value")


def table_frame(table: ReportTable) -> pd.DataFrame:
    """Rows by columns, each figure the mean over seeds; the columns' name is the metric with its unit."""
    figures = [
        [cell.mean if (cell := table.cell(row, column)) is not None else None for column in table.columns]
        for row in table.rows
    ]
    index = pd.Index(table.rows, name="network")
    return pd.DataFrame(figures, index, pd.Index(table.columns, name=table.metric.heading), dtype=float)


def cells_frame(table: ReportTable) -> pd.DataFrame:
    """A line for each cell and seed; NaN for what is not finished, or has no figure in the paper."""
    lines = [
        (cell.row, cell.column, cell.kind, seed, value, cell.paper)
        for cell in table.cells
        for seed, value in zip(table.seeds, cell.values, strict=True)
    ]
    return pd.DataFrame(lines, columns=list(_CELLS)).astype({"value": float, "paper": float})


def generations_frame(plan: Plan, store: Store) -> pd.DataFrame:
    """A line for each generation, indexed by its id. Raises StoreError."""
    states = generation_states(plan, store)
    lines = []
    for generation_id, generation in plan.generations.items():
        shown = plan.cells_of[generation_id]
        line = {
            "id": generation_id,
            "label": plan.label(generation_id),
            "row": shown[0].row,
            "columns": ", ".join(dict.fromkeys(cell.column for cell in shown)),
            "replica_seed": shown[0].replica_seed,
            "network": generation.network.name,
            "loss": generation.loss.kind,
            "generation_index": generation.generation_index,
            "teacher": generation.teacher,
            "state": states.by_id[generation_id],
        }
        record = store.record(generation_id) if states.by_id[generation_id] == "finished" else None
        lines.append(line if record is None else {**line, **_of_record(record)})
    return pd.DataFrame(lines).set_index("id")


def _of_record(record: GenerationRecord) -> dict[str, Any]:
    return {
        "parameters": record.parameters,
        "training_seconds": record.training_seconds,
        "finished_at": datetime.fromtimestamp(record.finished_at, UTC),
        "device": record.device,
        **record.metrics,
    }


def histories_frame(plan: Plan, store: Store) -> pd.DataFrame:
    """A line for each finished generation, epoch and metric; damaged histories are skipped. Raises StoreError."""
    return pd.DataFrame(list(_histories(plan, store)), columns=list(_HISTORIES)).astype({"value": float})


def _histories(plan: Plan, store: Store) -> Iterator[tuple[str, str, int, str, float]]:
    finished = store.finished(plan.generations)
    for generation_id in plan.generations:
        if generation_id not in finished:
            continue
        try:
            history = store.history(generation_id)
        except DamagedError:
            continue  # `generations()` and the report show it
        label = plan.label(generation_id)
        for report in history:
            for metric, value in {"seconds": report.seconds, **report.metrics}.items():
                yield generation_id, label, report.epoch, metric, value
