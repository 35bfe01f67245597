"""Candidates in the store: what a search resumes from, and publishing the best one as the generation."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from bansweep.errors import DamagedError, StoreError
from bansweep.graph.candidates import Candidate
from bansweep.graph.results import EpochReport
from bansweep.scheduling.generation_search import GenerationSearch
from bansweep.store.records import CandidateRecord, GenerationRecord, recorded_number
from bansweep.store.store import Store

_log = logging.getLogger(__name__)


class CandidateFiles:
    """The candidates in `store`. Those of generations in `keep_all` that finished their training are not removed."""

    def __init__(self, store: Store, keep_all: frozenset[str]) -> None:
        self._store = store
        self._keep_all = keep_all
        self._kept: set[str] = set()

    def known(self, candidate: Candidate) -> tuple[tuple[EpochReport, ...], bool]:
        """A candidate's epochs from earlier runs of the sweep, and whether these were all.

        Side effect: a damaged candidate is removed.
        """
        candidates = self._store.candidates
        try:
            if candidates.finished([candidate.id]):
                return candidates.history(candidate.id), True
            progress = candidates.load_progress(candidate.id)
        except DamagedError:
            self._remove(candidate.id)
            return (), False
        except StoreError as error:
            _log.warning("candidate %s is retrained: %s", candidate.id, error.cause)
            return (), False
        return ((), False) if progress is None else (progress.history, False)

    def keep(self, record: GenerationRecord) -> None:
        """A search is decided, with this record: the candidates that it keeps are not removed later."""
        if record.id in self._keep_all:
            self._kept |= {one.id for one in record.candidates if one.outcome == "finished"}

    def remove(self, candidate_ids: Iterable[str]) -> None:
        """Remove candidates, except those to keep and those that another process is training.

        One that cannot be removed stays, with a warning in the log.
        """
        for candidate_id in set(candidate_ids) - self._kept:
            self._remove(candidate_id)

    def remove_leftovers(self, decided: Iterable[str]) -> None:
        """Remove candidates of finished searched generations that an interrupted run has left. Raises StoreError."""
        stored = self._store.candidates.everything()
        records = [readable_record(self._store, generation_id) for generation_id in decided] if stored else []
        for record in filter(None, records):
            self.keep(record)
        for record in filter(None, records):
            self.remove({one.id for one in record.candidates} & stored)

    def _remove(self, candidate_id: str) -> None:
        candidates = self._store.candidates
        try:
            with candidates.claim(candidate_id) as claim:
                unclaimed = claim.acquire(wait=False)
            if unclaimed:
                candidates.remove(candidate_id)
        except StoreError as error:
            _log.warning("candidate %s stays in the store: %s", candidate_id, error.cause)


def publish_winner(store: Store, search: GenerationSearch, *, label: str) -> GenerationRecord | None:
    """Publish the winner of a decided search as its generation.

    None if the winner's files are damaged or missing: it must be trained again. Raises StoreError.
    Side effects: the store; a damaged winner is removed.
    """
    winner, candidates = search.winner, store.candidates
    assert winner is not None
    generation = search.generation
    if not candidates.finished([winner.candidate.id]):
        return None
    try:
        trained = candidates.record(winner.candidate.id)
        assert trained is not None
        weights = candidates.weights(winner.candidate.id)
        history = candidates.history(winner.candidate.id)
        predictions = candidates.predictions(winner.candidate.id)
    except DamagedError:
        candidates.remove(winner.candidate.id)
        return None
    record = trained.model_copy(
        update={
            "id": generation.id,
            "generation": generation,
            "label": label,
            "candidates": tuple(map(CandidateRecord.of, search.results)),
            "winner": recorded_number(winner.candidate),
            "digests": {},
        }
    )
    return store.publish(
        record,
        weights=weights,
        history=history,
        predictions=predictions,
        candidates={recorded_number(result.candidate): result.history for result in search.results},
    )


def readable_record(store: Store, generation_id: str) -> GenerationRecord | None:
    """A finished generation's record; None if it cannot be read, which the process that needs it reports."""
    try:
        return store.record(generation_id)
    except StoreError:
        return None
