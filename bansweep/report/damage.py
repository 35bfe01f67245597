"""What the report says of damaged files, which cost it the figures that need them and no others."""

from __future__ import annotations

from collections.abc import Sequence

from bansweep.errors import DamagedError
from bansweep.plan.events import EpochReport
from bansweep.report.results import FinishedGenerations, StoredRecord
from bansweep.store.predictions import Predictions, TokenPredictions


class DamageNoted:
    """`store`, with a note taken of every file in it that turns out damaged; satisfies FinishedGenerations.

    `messages` say what is wrong and what to do, once for each file.
    """

    def __init__(self, store: FinishedGenerations) -> None:
        self._store = store
        # A dict for its order: several ensembles may ask for one file.
        self._messages: dict[str, None] = {}

    @property
    def messages(self) -> tuple[str, ...]:
        return tuple(self._messages)

    def record(self, generation_id: str, /) -> StoredRecord | None:
        try:
            return self._store.record(generation_id)
        except DamagedError as error:
            self._note(error)
            raise

    def predictions(self, generation_id: str, /) -> Predictions | TokenPredictions:
        try:
            return self._store.predictions(generation_id)
        except DamagedError as error:
            self._note(error)
            raise

    def history(self, generation_id: str, /) -> Sequence[EpochReport]:
        try:
            return self._store.history(generation_id)
        except DamagedError as error:
            self._note(error)
            raise

    def _note(self, error: DamagedError) -> None:
        self._messages["; ".join(filter(None, (error.cause, error.remedy)))] = None
