"""The end of a search: its best candidate becomes the generation."""

from __future__ import annotations

from bansweep.errors import DamagedError
from bansweep.plan.generation_search import CandidateResult, GenerationSearch
from bansweep.store.records import CandidateRecord, GenerationRecord, recorded_number
from bansweep.store.store import Store


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
