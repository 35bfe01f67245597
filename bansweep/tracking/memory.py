"""A tracker that keeps everything in memory: what MLflow would hold, for tests of whatever drives a tracker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bansweep.plan.events import EpochFinished, GenerationStarted, SweepEvent
from bansweep.plan.plan import Plan
from bansweep.tracking import payload
from bansweep.tracking.outcomes import Outcomes
from bansweep.tracking.payload import Point
from bansweep.tracking.protocol import FinishedGeneration, SweepStatus, TrackingSummary
from bansweep.tracking.runs import RunStatus


@dataclass
class TrackedRun:
    """One run as MLflow would hold it."""

    status: RunStatus = "RUNNING"
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    points: set[Point] = field(default_factory=set)


class InMemoryTracker:
    """Records every event in `events`, and in `runs` (generation id -> run) and `parent` what MLflow would hold.

    With `reachable` False it behaves like a tracker whose server is down; that may be changed at any time.
    """

    def __init__(self, *, reachable: bool = True) -> None:
        self.reachable = reachable
        self.plan: Plan | None = None
        self.events: list[SweepEvent] = []
        self.runs: dict[str, TrackedRun] = {}
        self.parent = TrackedRun()
        self.documents: dict[str, str] = {}
        self._sweep_text = ""
        self._outcomes = Outcomes()
        self._sent: set[str] = set()

    def start(self, plan: Plan, sweep_text: str) -> None:
        self.plan = plan
        self._sweep_text = sweep_text

    def handle(self, event: SweepEvent) -> None:
        self.events.append(event)
        if self.plan is None or event.generation_id not in self.plan.generations:
            return
        self._outcomes.note(event)
        if not self.reachable:
            return
        if isinstance(event, GenerationStarted | EpochFinished):
            self._sent.discard(event.generation_id)
            self._run(event.generation_id).status = "RUNNING"
        if isinstance(event, EpochFinished):
            self._run(event.generation_id).points.update(payload.epoch_points(event.report))

    def finish(
        self,
        finished: Callable[[], Iterable[FinishedGeneration]],
        reports: Mapping[str, str],
        status: SweepStatus,
        timeout_s: float,  # noqa: ARG002
    ) -> TrackingSummary:
        assert self.plan is not None, "finish() before start()"
        ids = tuple(self.plan.generations)
        error = "" if self.reachable else "memory: not reachable"
        if not self._sent.issuperset(ids):
            try:
                items = tuple(item for item in finished() if item.generation_id in self.plan.generations)
                ids = tuple(item.generation_id for item in items)
            except Exception as problem:
                items, ids = (), tuple(self._sent)
                error = f"finished generations could not be listed: {problem}"
            if self.reachable:
                self._complete(self.plan, items)
        if self.reachable:
            self._end(self.plan, frozenset(ids), reports, status)
        unsent = tuple(generation_id for generation_id in ids if generation_id not in self._sent)
        return TrackingSummary("memory:", len(ids) - len(unsent), unsent, error)

    def _complete(self, plan: Plan, items: Iterable[FinishedGeneration]) -> None:
        for item in items:
            run = self._run(item.generation_id)
            run.points.update(payload.all_points(item))
            run.tags[payload.NOTE] = payload.finished_note(plan, item)
            run.tags.pop(payload.REASON, None)
            run.status = "FINISHED"
            self._sent.add(item.generation_id)

    def _end(self, plan: Plan, finished_ids: frozenset[str], reports: Mapping[str, str], status: SweepStatus) -> None:
        for failed, reason in self._outcomes.failed.items():
            self._run(failed).status = "FAILED"
            self._run(failed).tags.update(payload.failure_tags(reason))
        for killed in self._outcomes.running - finished_ids:
            self._run(killed).status = "KILLED"
        self.documents = {payload.SWEEP_FILE: self._sweep_text, **reports}
        self.parent = TrackedRun(status, tags=payload.sweep_tags(plan, finished_ids, self._outcomes))

    def _run(self, generation_id: str) -> TrackedRun:
        assert self.plan is not None
        if generation_id not in self.runs:
            description = payload.describe(self.plan, generation_id)
            self.runs[generation_id] = TrackedRun(params=dict(description.params), tags=dict(description.tags))
        return self.runs[generation_id]
