"""The protocol between a sweep and its tracker, and the outcomes of generations. Imports no tracking library.

The store is the truth. Live events are sent as far as that costs training nothing; what was missed is filled in by
`finish`, at the end of the run, of the next one, or by `bansweep sync`, and filling in twice changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, assert_never

from bansweep.graph.events import (
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
from bansweep.graph.generation import Generation
from bansweep.graph.plan import Plan
from bansweep.graph.results import CandidateResult, EpochReport


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


SweepStatus = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class FinishedGeneration:
    """All that a tracker should hold about one finished generation; built by the caller from the store.

    `parameters` counts the network's parameters; `metrics` are the final figures (errors in percent). `started_at`
    and `finished_at` are Unix times in seconds, `training_seconds` is the time spent training between them.
    `selected_epoch` is the one whose weights count. A searched generation has all its `candidates`, and the number of
    the `winner`, whose everything else is.
    """

    generation_id: str
    generation: Generation
    parameters: int
    metrics: Mapping[str, float]
    history: tuple[EpochReport, ...]
    started_at: float
    finished_at: float
    training_seconds: float
    selected_epoch: int | None = None
    candidates: tuple[CandidateResult, ...] = ()
    winner: int | None = None

    @property
    def chosen(self) -> CandidateResult | None:
        """The candidate that the generation is; None where there was no search."""
        return next((one for one in self.candidates if one.candidate.number == self.winner), None)


@dataclass(frozen=True)
class FinishedEnsemble:
    """An entry of the table that is the mean of its members' probabilities (Eq. 4), whose ids are `members`.

    `metrics` are its figures by the names that generations' have.
    """

    row: str
    column: str
    replica_seed: int
    members: tuple[str, ...]
    metrics: Mapping[str, float]

    @property
    def key(self) -> str:
        """What it is known by: another place or another member makes another ensemble."""
        place = json.dumps([self.row, self.column, self.replica_seed, sorted(self.members)])
        return hashlib.sha256(place.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class TrackingSummary:
    """What a tracker holds at the end.

    `uri` shows no credentials. `sent` counts the generations that are complete there, `unsent` names the finished ones
    that are not yet. `error` says in one line why something is missing; it can be the reports alone. `models_error`
    says why models are missing, as where a registry refuses: runs are complete without them.
    """

    uri: str
    sent: int
    unsent: tuple[str, ...]
    error: str = ""
    models_error: str = ""


class Tracker(Protocol):
    """Hears of every step of one sweep. Nothing that goes wrong in it may reach, stop or slow the sweep."""

    def start(self, plan: Plan, sweep_text: str) -> None:
        """Learn what the sweep is; `sweep_text` is its file. Returns at once and contacts nobody."""

    def handle(self, event: SweepEvent) -> None:
        """Hear of one step. Returns at once and never raises."""

    def finish(
        self,
        finished: Callable[[], Iterable[FinishedGeneration]],
        reports: Mapping[str, str],
        status: SweepStatus,
        timeout_s: float,
        ensembles: Sequence[FinishedEnsemble] = (),
    ) -> TrackingSummary:
        """Fill in what is missing, add `reports` (file name -> text), and end the sweep with `status`.

        `finished` lists the finished generations of the plan; it is called in the caller's thread, and not at all
        where everything is known to be complete. Waits at most `timeout_s`. Whatever goes wrong on the way is not
        raised: the summary says it. May be called again.
        """
