"""What a report asks of the store, and no more: `bansweep.store.store.Store` satisfies it, and so do small fakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bansweep.plan.events import EpochReport
from bansweep.store.predictions import Predictions, TokenPredictions


class StoredRecord(Protocol):
    """The figures of a finished generation: errors in percent, perplexities as they are."""

    @property
    def metrics(self) -> Mapping[str, float]: ...


class FinishedGenerations(Protocol):
    """Finished generations by their ids. All raise DamagedError where what was published has changed since."""

    def record(self, generation_id: str, /) -> StoredRecord | None:
        """The record of a generation; None where it is not finished."""
        ...

    def predictions(self, generation_id: str, /) -> Predictions | TokenPredictions:
        """The predictions of a finished generation; for a language model those of tokens."""
        ...

    def history(self, generation_id: str, /) -> Sequence[EpochReport]:
        """The report of each epoch of a finished generation."""
        ...
