"""The protocol between a sweep and its tracker, and the outcomes of generations. Imports no tracking library.

The store is authoritative. Live events are sent only as far as that does not slow training. `finish` backfills what is
missing: at the end of this run, of the next one, or in `bansweep sync`. Backfilling twice changes nothing.
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

SweepStatus = Literal["FINISHED", "FAILED", "KILLED"]


class Tracker(Protocol):
    """Receives every event of one sweep. Its errors must not stop or slow the sweep."""

    def start(self, plan: Plan, sweep_text: str) -> None:
        """Sets the sweep; `sweep_text` is its file. Returns at once, without a connection."""

    def handle(self, event: SweepEvent) -> None:
        """Receives one event. Returns at once and never raises."""

    def finish(
        self,
        finished: Callable[[], Iterable[FinishedGeneration]],
        reports: Mapping[str, str],
        status: SweepStatus,
        timeout_s: float,
        ensembles: Sequence[FinishedEnsemble] = (),
    ) -> TrackingSummary:
        """Backfills what is missing, adds `reports` (file name -> text), and ends the sweep with `status`.

        `finished` lists the plan's finished generations. It is called in the caller's thread, and only if something may
        be incomplete. Waits at most `timeout_s`. Errors are not raised, but part of the summary. May be called again.
        """


@dataclass(frozen=True)
class FinishedGeneration:
    """What a tracker should hold about one finished generation; the caller builds it from the store.

    `parameters` counts the network's parameters; `metrics` are the final figures (errors in percent). `started_at`
    and `finished_at` are Unix times in seconds, `training_seconds` is the time spent training between them.
    `selected_epoch` is the one whose weights count. A searched generation has all its `candidates` and the number of
    the `winner`, to which the other fields belong.
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
        """The candidate that won the search; None where there was no search."""
        return next((one for one in self.candidates if one.candidate.number == self.winner), None)


@dataclass(frozen=True)
class FinishedEnsemble:
    """An entry of the table: the mean of the probabilities of `members` (ids), as in Eq. 4.

    `metrics` are its figures by the names that generations' have.
    """

    row: str
    column: str
    replica_seed: int
    members: tuple[str, ...]
    metrics: Mapping[str, float]

    @property
    def key(self) -> str:
        """Its identity: another place or another member makes another ensemble."""
        place = json.dumps([self.row, self.column, self.replica_seed, sorted(self.members)])
        return hashlib.sha256(place.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class TrackingSummary:
    """What a tracker holds at the end of a sweep.

    `uri` shows no credentials. `sent` counts the generations that are complete there, `unsent` names the finished ones
    that are not yet. `error` is one line on why something is missing, perhaps only the reports. `models_error` is the
    reason for missing models, such as a registry that refuses them; runs are complete without them.
    """

    uri: str
    sent: int
    unsent: tuple[str, ...]
    error: str = ""
    models_error: str = ""


@dataclass
class Outcomes:
    """`running` holds ids, `failed` maps ids to reasons, `blocked` ids to the ids of failed ancestors, `not_needed`
    ids to those of the last generations that count.

    Stopped generations count as running: they have no outcome yet. `candidates` has the last event of each candidate,
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
        """The last events of candidates of unfinished generations. The store has those of the others."""
        return tuple(event for event in self.candidates.values() if event.generation_id not in finished_ids)

    def _note_candidate(self, event: CandidateEvent) -> None:
        """Events of candidates, some of them late, do not change the generation's state."""
        key = event.generation_id, event.candidate.id
        match event:
            case CandidateStarted() | CandidateEnded():
                self.candidates[key] = event
            case CandidateEpochFinished(generation_id=generation_id, candidate=candidate):
                self.candidates.setdefault(key, CandidateStarted(generation_id, candidate))
            case _:
                assert_never(event)
