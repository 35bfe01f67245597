"""From the store to the tracker: a real store, of one searched generation and its teacher."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bansweep.cli.tracking import finished_generations
from bansweep.store.predictions import Predictions
from bansweep.store.records import CandidateRecord, GenerationRecord, recorded_number
from bansweep.store.store import Store


@pytest.fixture
def store(tmp_path: Path, searched_sweep: Any) -> Store:
    store = Store(tmp_path)
    for item in searched_sweep.finished:
        candidates = tuple(
            CandidateRecord(
                number=recorded_number(one.candidate),
                id=one.candidate.id,
                setting=one.candidate.setting,
                outcome=one.outcome,
                epochs=len(one.history),
                epoch=one.epoch,
                value=one.value,
                seconds=one.seconds,
                reason=one.reason,
            )
            for one in item.candidates
        )
        record = GenerationRecord(
            id=item.generation_id,
            generation=item.generation,
            label="whatever",
            input_shape=(1, 8, 8),
            classes=10,
            parameters=item.parameters,
            teacher_digest=None,
            metrics=item.metrics,
            training_seconds=item.training_seconds,
            started_at=item.started_at,
            finished_at=item.finished_at,
            device="cpu",
            host="here",
            versions={},
            selected_epoch=item.selected_epoch,
            candidates=candidates,
            winner=None if item.winner is None else item.winner + 1,
        )
        store.publish(
            record,
            weights=b"weights",
            history=item.history,
            predictions=Predictions(np.full((2, 10), 0.1, np.float32), np.zeros(2, np.int64)),
            candidates={recorded_number(one.candidate): one.history for one in item.candidates} if candidates else None,
        )
    return store


def test_what_was_published_is_what_is_tracked(store: Store, searched_sweep: Any) -> None:
    read = tuple(finished_generations(searched_sweep.plan, store))

    assert read == searched_sweep.finished
    assert read[1].chosen == searched_sweep.finished[1].candidates[1]
    assert read[0].chosen is None


def test_candidates_whose_histories_are_damaged_leave_their_generation_out(store: Store, searched_sweep: Any) -> None:
    [file] = store.root.glob(f"generations/{searched_sweep.student_id}/candidates*")
    file.write_bytes(b"")

    assert tuple(finished_generations(searched_sweep.plan, store)) == searched_sweep.finished[:1]


def test_the_winner_is_what_the_record_says_was_trained(store: Store, searched_sweep: Any) -> None:
    [_, read] = finished_generations(searched_sweep.plan, store)
    record = store.record(searched_sweep.student_id)

    assert record is not None
    assert read.chosen is not None
    assert read.chosen.candidate.generation == record.trained
    assert math.isclose(record.trained.recipe.learning_rate, 0.05)
