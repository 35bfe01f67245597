"""Whether a run holds points of epochs that were trained again since: MLflow would keep both. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bansweep.tracking.payload import END_WITNESS, EPOCH_WITNESS, Point

WITNESSES = (EPOCH_WITNESS, END_WITNESS)
"""Metrics that stand for all others, which are sent with them: every epoch has the first, every end the second."""


def is_retold(key: str, held: Iterable[tuple[int, int]], points: Sequence[Point]) -> bool:
    """Whether `points` say otherwise than `held`: the steps and timestamps that a run has of the metric `key`.

    An epoch that is sent again has the timestamp that it had; one that was trained again has another. A training ends
    once, whatever the step.
    """
    told = {point.step: point.timestamp_ms for point in points if point.key == key}
    if key == END_WITNESS and told:
        return any(told.get(step) != timestamp_ms for step, timestamp_ms in held)
    return any(told.get(step, timestamp_ms) != timestamp_ms for step, timestamp_ms in held)
