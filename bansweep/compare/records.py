"""How the results of two generations differ: their figures, and what is known of their trainings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from bansweep.compare.differences import Difference, differences
from bansweep.store.layout import WEIGHTS_FILE
from bansweep.store.records import GenerationRecord

_TRAINING = {
    "input_shape",
    "classes",
    "parameters",
    "teacher_digest",
    "training_seconds",
    "device",
    "host",
    "versions",
    "selected_epoch",
    "compiled_epochs",
}


@dataclass(frozen=True)
class MetricPair:
    """A figure of two generations; None where a record does not have it, or is not there."""

    name: str
    left: float | None
    right: float | None

    @property
    def difference(self) -> float | None:
        """Right minus left."""
        return None if self.left is None or self.right is None else self.right - self.left


def compare_metrics(left: GenerationRecord | None, right: GenerationRecord | None) -> tuple[MetricPair, ...]:
    """All figures that one of two records has, by name."""
    lefts: Mapping[str, float] = {} if left is None else left.metrics
    rights: Mapping[str, float] = {} if right is None else right.metrics
    return tuple(MetricPair(name, lefts.get(name), rights.get(name)) for name in sorted({*lefts, *rights}))


def training_differences(left: GenerationRecord, right: GenerationRecord) -> tuple[Difference, ...]:
    """What differs in how, where and with which versions two generations were trained, and in their weights."""
    trainings = _training(left), _training(right)
    if left.compiled_epochs is None or right.compiled_epochs is None:  # a former version did not say
        for training in trainings:
            del training["compiled_epochs"]
    return tuple(differences(*trainings))


def _training(record: GenerationRecord) -> dict[str, JsonValue]:
    dumped: dict[str, Any] = record.model_dump(mode="json", include=_TRAINING)
    weights = {"weights": record.digests.get(WEIGHTS_FILE)}
    dumped["training_seconds"] = round(record.training_seconds, 1)
    setting = {} if record.winner is None else {"setting": dict(record.candidates[record.winner - 1].setting)}
    return {**dumped, **setting, **weights}
