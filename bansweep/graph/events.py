"""Events of a sweep's generations while they run: what training reports to tracking and displays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bansweep.graph.candidates import Candidate, CandidateEnding
from bansweep.graph.results import EpochReport


@dataclass(frozen=True)
class GenerationStarted:
    """Training begins, or resumes after `epochs_done` saved epochs."""

    generation_id: str
    epochs_done: int = 0


@dataclass(frozen=True)
class EpochFinished:
    generation_id: str
    report: EpochReport


@dataclass(frozen=True)
class Choice:
    """The result of a search: the best candidate, its `value`, and the number of candidates by outcome."""

    candidate: Candidate
    value: float
    outcomes: Mapping[str, int]


@dataclass(frozen=True)
class GenerationFinished:
    """Published in the store. `reused`: another process trained it while this one waited. `choice`: it was searched."""

    generation_id: str
    reused: bool = False
    choice: Choice | None = None


@dataclass(frozen=True)
class GenerationFailed:
    generation_id: str
    reason: str


@dataclass(frozen=True)
class GenerationBlocked:
    """Will not be trained because `cause`, one of its ancestors, failed."""

    generation_id: str
    cause: str


@dataclass(frozen=True)
class CandidateStarted:
    """A candidate of a searched generation begins, or resumes after `epochs_done` saved epochs."""

    generation_id: str
    candidate: Candidate
    epochs_done: int = 0


@dataclass(frozen=True)
class CandidateEpochFinished:
    generation_id: str
    candidate: Candidate
    report: EpochReport


@dataclass(frozen=True)
class CandidateEnded:
    """A candidate trains no longer; `reason` says why it failed. One that was `stopped` may resume later."""

    generation_id: str
    candidate: Candidate
    outcome: CandidateEnding
    reason: str = ""


@dataclass(frozen=True)
class GenerationStopped:
    """Training ended early on request, with its progress saved: it can resume later."""

    generation_id: str


@dataclass(frozen=True)
class GenerationNotNeeded:
    """Will not be trained because its chain ended before it: `cause` is the last generation that counts."""

    generation_id: str
    cause: str


@dataclass(frozen=True)
class GenerationElsewhere:
    """Another process trains it, or a candidate of it, and this one waits: `by` is that process, as far as is known."""

    generation_id: str
    by: str


@dataclass(frozen=True)
class CompileFailure:
    """torch.compile does not work on `host` for a `cause`, or, with `of_network`, not for one generation's network.

    `remedy` is a sentence without its full stop.
    """

    host: str
    cause: str
    remedy: str
    of_network: bool = False


@dataclass(frozen=True)
class GenerationUncompiled:
    """It, or a candidate of it, trains uncompiled though it was to be compiled.

    `failure` is None if the sweep's resources have excluded compiling since it began. `compiled_epochs`: how many it
    trained compiled before.
    """

    generation_id: str
    failure: CompileFailure | None
    compiled_epochs: int = 0


CandidateEvent = CandidateStarted | CandidateEpochFinished | CandidateEnded

SweepEvent = (
    GenerationStarted
    | EpochFinished
    | GenerationFinished
    | GenerationFailed
    | GenerationBlocked
    | GenerationStopped
    | GenerationNotNeeded
    | GenerationElsewhere
    | GenerationUncompiled
    | CandidateEvent
)
"""Any event. A searched generation starts when its first candidate does, has no epochs itself, and is finished when
the best candidate is published in its name."""
