"""Finished generations that nobody has trained, for tests of what reads a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bansweep.graph.generation import Generation
from bansweep.graph.results import EpochReport
from bansweep.store.parquet_tables import Predictions, TokenPredictions
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store

ONE_IMAGE = Predictions(np.full((1, 2), 0.5, np.float32), np.zeros(1, np.int64))


def made_up_record(generation: Generation, **fields: Any) -> GenerationRecord:
    """Its record with these `fields`; the others, for which a test does not care, are made up."""
    others = {
        "label": "made up",
        "input_shape": (1, 8, 8),
        "classes": 2,
        "parameters": 7,
        "teacher_digest": None,
        "metrics": {},
        "training_seconds": 1.0,
        "started_at": 0.0,
        "finished_at": 1.0,
        "device": "cpu",
        "host": "here",
        "versions": {},
    }
    return GenerationRecord(id=generation.id, generation=generation, **{**others, **fields})


def publish_made_up(
    store: Store,
    generation: Generation,
    *,
    history: Sequence[EpochReport] = (),
    predictions: Predictions | TokenPredictions = ONE_IMAGE,
    histories: Mapping[int, Sequence[EpochReport]] | None = None,
    **fields: Any,
) -> Path:
    """Publish it with a record of these `fields`, and the `histories` of its candidates; returns its folder."""
    store.publish(
        made_up_record(generation, **fields),
        weights=b"",
        history=history,
        predictions=predictions,
        candidates=histories,
    )
    return store.directory / "generations" / generation.id


def damage(file: Path) -> None:
    """Flip a bit in the middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
