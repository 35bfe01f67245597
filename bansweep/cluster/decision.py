"""The end of a search: its best candidate becomes the generation, and what the others left is removed."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from bansweep.errors import DamagedError, StoreError
from bansweep.plan.generation_search import CandidateResult, GenerationSearch
from bansweep.store.records import CandidateRecord, GenerationRecord, recorded_number
from bansweep.store.store import Store

_log = logging.getLogger(__name__)


def publish_winner(store: Store, search: GenerationSearch, *, label: str) -> GenerationRecord | None:
    """Publish the winner of a decided search in its generation's name.

    None where the winner's files are not what they were, or gone: it has to be trained again. Raises StoreError.
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
            "candidates": tuple(map(_candidate_record, search.results)),
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


def remove_candidates(store: Store, ids: Iterable[str]) -> None:
    """Remove what candidates have left, but for those that somebody else is training. What cannot be removed stays."""
    for candidate_id in ids:
        try:
            with store.candidates.claim(candidate_id) as claim:
                unclaimed = claim.acquire(wait=False)
            if unclaimed:
                store.candidates.remove(candidate_id)
        except StoreError as error:
            _log.warning("candidate %s stays in the store: %s", candidate_id, error.cause)


def _candidate_record(result: CandidateResult) -> CandidateRecord:
    return CandidateRecord(
        number=recorded_number(result.candidate),
        # A setting that could not be has no training of its own.
        id="" if result.candidate.generation.search else result.candidate.id,
        setting=result.candidate.setting,
        outcome=result.outcome,
        epochs=len(result.history),
        epoch=result.epoch,
        value=result.value,
        seconds=sum(report.seconds for report in result.history),
        reason=result.reason,
    )
