"""The facts of a generation and its record, as `bansweep show`, `bansweep diff` and the page show them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from bansweep.config.networks import is_language_model
from bansweep.formatting import duration_text, setting_text
from bansweep.graph.generation import Generation
from bansweep.store.records import GenerationRecord


def recipe_text(generation: Generation) -> str:
    """`30 epochs, batch size 64, learning rate 0.1`."""
    recipe = generation.recipe
    rate = setting_text(recipe.learning_rate)
    return f"{recipe.epochs} epochs, batch size {recipe.batch_size}, learning rate {rate}"


def data_text(generation: Generation) -> str:
    """`digits (9e6302438ed11c94), first 256 training images, first 100 test images`: the set, and what was used."""
    data, of_text = generation.data, is_language_model(generation.network)
    things, tests = ("tokens", "validation and test") if of_text else ("images", "test")
    parts = [f"{data.kind} ({data.fingerprint[:16]})"]
    if data.limit is not None:
        parts.append(f"first {data.limit:,} training {things}")
    if data.test_limit is not None:
        parts.append(f"first {data.test_limit:,} {tests} {things}")
    if data.validation:
        parts.append(f"{data.validation:,} images for validation")
    return ", ".join(parts)


def trained_text(record: GenerationRecord) -> str:
    """`12 min on NVIDIA H200, 2026-05-04 12:30 UTC`."""
    finished = datetime.fromtimestamp(record.finished_at, UTC)
    return f"{duration_text(record.training_seconds)} on {record.device}, {finished:%Y-%m-%d %H:%M} UTC"


def result_names(metrics: Iterable[str]) -> list[str]:
    """The metrics that are results, sorted. The last step's learning rate belongs to the schedule."""
    return sorted(name for name in metrics if name != "learning_rate")
