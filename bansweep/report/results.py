"""What a report asks of the store, and no more: `bansweep.store.store.Store` satisfies it, and so do small fakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt


class StoredRecord(Protocol):
    """The figures of a finished generation; `metrics["test_error"]` is in percent."""

    @property
    def metrics(self) -> Mapping[str, float]: ...


class StoredPredictions(Protocol):
    """A generation's predictions for the test set of N images in C classes, in the data set's order."""

    @property
    def probabilities_NC(self) -> npt.NDArray[np.float32]: ...

    @property
    def labels_N(self) -> npt.NDArray[np.int64]: ...


class FinishedGenerations(Protocol):
    """Finished generations by their ids. Both raise DamagedError where what was published has changed since."""

    def record(self, generation_id: str, /) -> StoredRecord | None:
        """The record of a generation; None where it is not finished."""
        ...

    def predictions(self, generation_id: str, /) -> StoredPredictions:
        """The predictions of a finished generation."""
        ...
