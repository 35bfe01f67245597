"""What is said about a sweep's generations while they run: the words that training, tracking and displays share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class EpochReport:
    """One finished epoch of one generation; the row of its history.

    `epoch` counts from 1, `seconds` is this epoch's wall time (training and evaluation), `finished_at` is Unix time
    in seconds. `metrics` has flat names, errors in percent: `train_loss`, `learning_rate`, and for the evaluation
    split `S` (`validation` where there is one, else `test`) `S_loss` and `S_error`, or `S_perplexity` for text.
    """

    epoch: int
    epochs: int
    seconds: float
    finished_at: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class GenerationStarted:
    """Training begins, or goes on after `epochs_done` epochs that were saved before."""

    generation_id: str
    epochs_done: int = 0


@dataclass(frozen=True)
class EpochFinished:
    generation_id: str
    report: EpochReport


@dataclass(frozen=True)
class GenerationFinished:
    """Published in the store. `reused`: another process trained it while this one waited."""

    generation_id: str
    reused: bool = False


@dataclass(frozen=True)
class GenerationFailed:
    generation_id: str
    reason: str


@dataclass(frozen=True)
class GenerationBlocked:
    """Will not be trained because `cause`, one of its ancestors, failed."""

    generation_id: str
    cause: str


SweepEvent = GenerationStarted | EpochFinished | GenerationFinished | GenerationFailed | GenerationBlocked
