"""From the store to the tracker: a real store, of one searched generation and its teacher."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from made_up_generation import publish_made_up

from bansweep.service.tracking import finished_generations
from bansweep.store.records import CandidateRecord, recorded_number
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
        publish_made_up(
            store,
            item.generation,
            parameters=item.parameters,
            metrics=item.metrics,
            training_seconds=item.training_seconds,
            started_at=item.started_at,
            finished_at=item.finished_at,
            selected_epoch=item.selected_epoch,
            candidates=candidates,
            winner=None if item.winner is None else item.winner + 1,
            history=item.history,
            histories={recorded_number(one.candidate): one.history for one in item.candidates} if candidates else None,
        )
    return store


def test_what_was_published_is_what_is_tracked(store: Store, searched_sweep: Any) -> None:
    read = tuple(finished_generations(searched_sweep.plan, store))

    assert read == searched_sweep.finished
    assert read[1].chosen == searched_sweep.finished[1].candidates[1]
    assert read[0].chosen is None


def test_candidates_whose_histories_are_damaged_leave_their_generation_out(store: Store, searched_sweep: Any) -> None:
    [file] = store.directory.glob(f"generations/{searched_sweep.student_id}/candidates*")
    file.write_bytes(b"")

    assert tuple(finished_generations(searched_sweep.plan, store)) == searched_sweep.finished[:1]


def test_the_winner_is_what_the_record_says_was_trained(store: Store, searched_sweep: Any) -> None:
    [_, read] = finished_generations(searched_sweep.plan, store)
    record = store.record(searched_sweep.student_id)

    assert record is not None
    assert read.chosen is not None
    assert read.chosen.candidate.generation == record.trained
    assert math.isclose(record.trained.recipe.learning_rate, 0.05)
