"""What became of the generations and candidates that this run of a sweep has heard of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from bansweep.plan.events import (
    CandidateEnded,
    CandidateEpochFinished,
    CandidateEvent,
    CandidateStarted,
    EpochFinished,
    GenerationBlocked,
    GenerationElsewhere,
    GenerationFailed,
    GenerationFinished,
    GenerationNotNeeded,
    GenerationStarted,
    GenerationStopped,
    GenerationUncompiled,
    SweepEvent,
)


@dataclass
class Outcomes:
    """`running` holds ids, `failed` maps ids to reasons, `blocked` ids to the ids of failed ancestors, `not_needed`
    ids to those of the last generations that count.

    What was stopped counts as running: it has not come to its end. `candidates` has the last word on each candidate,
    by the ids of generation and candidate.
    """

    running: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    not_needed: dict[str, str] = field(default_factory=dict)
    candidates: dict[tuple[str, str], CandidateStarted | CandidateEnded] = field(default_factory=dict)

    def note(self, event: SweepEvent) -> None:
        """Take `event` into account; a generation that is tried again loses its earlier outcome."""
        if isinstance(event, CandidateEvent):
            self._note_candidate(event)
            return
        if isinstance(event, GenerationUncompiled):  # no outcome
            return
        generation_id = event.generation_id
        self.running.discard(generation_id)
        for outcome in (self.failed, self.blocked, self.not_needed):
            outcome.pop(generation_id, None)
        match event:
            case GenerationStarted() | EpochFinished() | GenerationStopped():
                self.running.add(generation_id)
            case GenerationFinished() | GenerationElsewhere():
                pass
            case GenerationFailed(reason=reason):
                self.failed[generation_id] = reason
            case GenerationBlocked(cause=cause):
                self.blocked[generation_id] = cause
            case GenerationNotNeeded(cause=cause):
                self.not_needed[generation_id] = cause
            case _:
                assert_never(event)

    def unfinished_candidates(self, finished_ids: frozenset[str]) -> tuple[CandidateStarted | CandidateEnded, ...]:
        """The last words on candidates of generations that are not finished. Of others the store knows all."""
        return tuple(event for event in self.candidates.values() if event.generation_id not in finished_ids)

    def _note_candidate(self, event: CandidateEvent) -> None:
        """A generation's own state does not depend on what is said of its candidates, some of it belatedly."""
        key = event.generation_id, event.candidate.id
        match event:
            case CandidateStarted() | CandidateEnded():
                self.candidates[key] = event
            case CandidateEpochFinished(generation_id=generation_id, candidate=candidate):
                self.candidates.setdefault(key, CandidateStarted(generation_id, candidate))
            case _:
                assert_never(event)
