"""The tracker's protocol in memory: what MLflow should hold, for MLflow to be compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bansweep.graph.events import (
    CandidateEnded,
    CandidateEpochFinished,
    CandidateEvent,
    CandidateStarted,
    EpochFinished,
    GenerationStarted,
    SweepEvent,
)
from bansweep.graph.plan import Plan
from bansweep.tracking import payload
from bansweep.tracking.completion import (
    Completion,
    completed_candidate,
    completed_ensemble,
    completed_generation,
    describe_ensemble,
)
from bansweep.tracking.payload import Point, RunDescription, RunStatus
from bansweep.tracking.protocol import FinishedEnsemble, FinishedGeneration, Outcomes, SweepStatus, TrackingSummary
from bansweep.tracking.runs import WITNESSES, is_superseded


@dataclass
class TrackedRun:
    """One run as MLflow would hold it."""

    status: RunStatus = "RUNNING"
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    points: set[Point] = field(default_factory=set)


class InMemoryTracker:
    """Has in `runs` (generation id -> run), `candidate_runs` (generation id/candidate id -> run),
    `ensemble_runs` (key -> run), `parent` and `documents` what MLflow would hold."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.runs: dict[str, TrackedRun] = {}
        self.candidate_runs: dict[str, TrackedRun] = {}
        self.ensemble_runs: dict[str, TrackedRun] = {}
        self.parent = TrackedRun()
        self.documents: dict[str, str] = {}
        self._sweep_text = ""
        self._outcomes = Outcomes()
        self._sent: set[str] = set()

    def start(self, plan: Plan, sweep_text: str) -> None:
        self.plan = plan
        self._sweep_text = sweep_text

    def handle(self, event: SweepEvent) -> None:
        if self.plan is None or event.generation_id not in self.plan.generations:
            return
        self._outcomes.note(event)
        if isinstance(event, GenerationStarted | EpochFinished):
            self._sent.discard(event.generation_id)
        if isinstance(event, GenerationStarted | EpochFinished | CandidateEvent):
            run = self._run(payload.describe_subject(self.plan, event))
            if isinstance(event, GenerationStarted | EpochFinished | CandidateStarted):
                _set(run, "RUNNING", {})
            if isinstance(event, CandidateEnded):
                _set(run, *payload.last_word(event))
            if isinstance(event, EpochFinished | CandidateEpochFinished):
                _add(run, payload.epoch_points(event.report))

    def finish(
        self,
        finished: Callable[[], Iterable[FinishedGeneration]],
        reports: Mapping[str, str],
        status: SweepStatus,
        timeout_s: float,  # noqa: ARG002
        ensembles: Sequence[FinishedEnsemble] = (),
    ) -> TrackingSummary:
        assert self.plan is not None, "finish() before start()"
        ids = tuple(one for one in self.plan.generations if one not in self._outcomes.not_needed)
        error = ""
        if not self._sent.issuperset(ids):
            try:
                items = tuple(item for item in finished() if item.generation_id in self.plan.generations)
                ids = tuple(item.generation_id for item in items)
            except Exception as problem:
                items, ids = (), tuple(self._sent)
                error = f"finished generations could not be listed: {problem}"
            for item in items:
                self._complete(self.plan, item)
            by_id = {item.generation_id: item for item in items}
            for ensemble in ensembles:
                description = describe_ensemble(self.plan, ensemble)
                self._complete_run(description, completed_ensemble(description, ensemble, by_id))
        self._end(self.plan, frozenset(ids), reports, status)
        unsent = tuple(generation_id for generation_id in ids if generation_id not in self._sent)
        return TrackingSummary("memory:", len(ids) - len(unsent), unsent, error)

    def _complete(self, plan: Plan, item: FinishedGeneration) -> None:
        description = payload.describe(plan, item.generation_id)
        self._complete_run(description, completed_generation(description, item))
        for one in item.candidates:
            description = payload.describe_candidate(plan, item.generation_id, one.candidate)
            self._complete_run(description, completed_candidate(description, item, one))
        self._sent.add(item.generation_id)

    def _complete_run(self, description: RunDescription, completion: Completion) -> None:
        run = self._run(description)
        if any(run.params.get(key, value) != value for key, value in completion.params.items()):
            run = self._run(description, anew=True)
        run.params.update(completion.params)
        _add(run, completion.points)
        _set(run, completion.status, completion.tags)

    def _end(self, plan: Plan, finished_ids: frozenset[str], reports: Mapping[str, str], status: SweepStatus) -> None:
        for failed, reason in self._outcomes.failed.items():
            _set(self._run(payload.describe(plan, failed)), "FAILED", payload.failure_tags(reason))
        for killed in self._outcomes.running - finished_ids:
            _set(self._run(payload.describe(plan, killed)), "KILLED", {})
        for event in self._outcomes.unfinished_candidates(finished_ids):
            _set(self._run(payload.describe_subject(plan, event)), *payload.last_word(event))
        self.documents = {payload.SWEEP_FILE: self._sweep_text, **reports}
        self.parent = TrackedRun(status, tags=payload.sweep_tags(plan, finished_ids, self._outcomes))

    def _run(self, description: RunDescription, *, anew: bool = False) -> TrackedRun:
        kind, key = description.identity
        runs = {
            payload.GENERATION: self.runs,
            payload.CANDIDATE: self.candidate_runs,
            payload.ENSEMBLE: self.ensemble_runs,
        }[kind]
        if anew or key not in runs:
            runs[key] = TrackedRun(params=dict(description.params), tags=dict(description.tags))
        return runs[key]


def _add(run: TrackedRun, points: tuple[Point, ...]) -> None:
    held = {key: [(one.step, one.timestamp_ms) for one in run.points if one.key == key] for key in WITNESSES}
    if any(is_superseded(key, steps, points) for key, steps in held.items()):
        first_step = min(point.step for point in points)
        run.points = {point for point in run.points if point.step < first_step}
    run.points.update(points)


def _set(run: TrackedRun, status: RunStatus, tags: Mapping[str, str]) -> None:
    run.status = status
    run.tags = {key: value for key, value in run.tags.items() if key not in payload.PASSING_TAGS} | dict(tags)
