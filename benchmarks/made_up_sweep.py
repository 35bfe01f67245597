"""The events and results of a sweep that was never trained: for what happens around training, not in it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np

from bansweep.graph.events import EpochFinished, GenerationFinished, GenerationStarted, SweepEvent
from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.store.parquet_tables import Predictions
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store
from bansweep.tracking.protocol import FinishedGeneration

EPOCHS = 12


def made_up_history(numbers: random.Random, began_at: float) -> tuple[EpochReport, ...]:
    """Another one at every call."""
    return tuple(
        EpochReport(
            epoch,
            EPOCHS,
            seconds=numbers.random(),
            finished_at=began_at + epoch + numbers.random() / 2,
            metrics={"train_loss": numbers.random(), "test_error": 100 * numbers.random(), "learning_rate": 0.1},
        )
        for epoch in range(1, EPOCHS + 1)
    )


def live_events(generation_id: str, history: tuple[EpochReport, ...]) -> Iterator[SweepEvent]:
    yield GenerationStarted(generation_id)
    for report in history:
        yield EpochFinished(generation_id, report)
    yield GenerationFinished(generation_id)


def publish_made_up(store: Store, plan: Plan, generation_id: str, history: tuple[EpochReport, ...]) -> None:
    """Put it into the store as if it had been trained."""
    record = GenerationRecord(
        id=generation_id,
        generation=plan.generations[generation_id],
        label=plan.label(generation_id),
        input_shape=(1, 8, 8),
        classes=10,
        parameters=77_000,
        teacher_digest=None,
        metrics={"test_error": history[-1].metrics["test_error"], "test_loss": history[-1].metrics["train_loss"]},
        training_seconds=sum(report.seconds for report in history),
        started_at=history[0].finished_at - 1,
        finished_at=history[-1].finished_at + 0.5,
        device="cpu",
        host="nowhere",
        versions={},
        selected_epoch=EPOCHS,
    )
    predictions = Predictions(np.full((20, 10), 0.1, np.float32), np.zeros(20, np.int64))
    store.publish(record, weights=b"weights", history=history, predictions=predictions)


def expected_points(item: FinishedGeneration) -> set[tuple[str, int, float]]:
    """Metric, step and value of every point that MLflow should hold, written out without the tracker's own code."""
    points = {(name, report.epoch, value) for report in item.history for name, value in report.metrics.items()}
    points |= {("epoch_seconds", report.epoch, report.seconds) for report in item.history}
    points |= {(f"final_{name}", EPOCHS, value) for name, value in item.metrics.items()}
    return points | {
        ("parameters", EPOCHS, float(item.parameters)),
        ("training_seconds", EPOCHS, item.training_seconds),
        ("selected_epoch", EPOCHS, float(EPOCHS)),
    }
