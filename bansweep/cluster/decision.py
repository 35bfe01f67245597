"""The end of a search: its best candidate becomes the generation."""

from __future__ import annotations

from collections.abc import Container

from bansweep.errors import StoreError
from bansweep.plan.generation_search import CandidateResult, GenerationSearch
from bansweep.store.records import CandidateRecord, GenerationRecord
from bansweep.store.store import Store


def publish_winner(
    store: Store, search: GenerationSearch, *, label: str, keep: Container[str]
) -> GenerationRecord | None:
    """Publish the winner of a decided search in its generation's name, then remove what candidates but `keep` left.

    None where the winner's files are not what they were, or gone: it has to be trained again. Raises StoreError.
    Side effects: the store; the candidates' store inside it.
    """
    winner, candidates = search.winner, store.candidates
    assert winner is not None
    generation = search.generation
    try:
        trained = candidates.record(winner.candidate.id)
        if trained is None:
            return None
        weights = candidates.weights(winner.candidate.id)
        history = candidates.history(winner.candidate.id)
        predictions = candidates.predictions(winner.candidate.id)
    except StoreError:
        candidates.remove(winner.candidate.id)
        return None
    record = trained.model_copy(
        update={
            "id": generation.id,
            "generation": generation,
            "label": label,
            "candidates": tuple(map(_candidate_record, search.results)),
            "winner": winner.candidate.number,
            "digests": {},
        }
    )
    published = store.publish(
        record,
        weights=weights,
        history=history,
        predictions=predictions,
        candidates={result.candidate.number: result.history for result in search.results},
    )
    for result in search.results:
        if result.candidate.id not in keep:
            candidates.remove(result.candidate.id)
    return published


def _candidate_record(result: CandidateResult) -> CandidateRecord:
    return CandidateRecord(
        number=result.candidate.number,
        id=result.candidate.id,
        setting=result.candidate.setting,
        outcome=result.outcome,
        epochs=len(result.history),
        epoch=result.epoch,
        value=result.value,
        seconds=sum(report.seconds for report in result.history),
        reason=result.reason,
    )
