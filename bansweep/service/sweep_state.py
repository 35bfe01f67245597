"""The state of a running sweep, gathered from its events. Displays read it; it prints nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from threading import RLock
from typing import assert_never

from bansweep.formatting import named_figure_text
from bansweep.graph.candidates import Candidate
from bansweep.graph.events import (
    CandidateEnded,
    CandidateEpochFinished,
    CandidateStarted,
    Choice,
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
from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.graph.time_left import sweep_time_left
from bansweep.service.stored_status import Pace
from bansweep.service.sweep_status import (
    GenerationState,
    GenerationStatus,
    RunningTraining,
    SweepStatus,
    metric_text,
    row_statuses,
    within_row,
)


class SweepState:
    """The outcome so far: `trained`, `reused`, `failed`, `blocked`, `not_needed` by id, and what runs now.

    `trainings` are the running ones, by the id of the generation or candidate. `pace` is the sweep's speed as known
    before the run; the caller may set it. One thread may `handle` events while another reads `status`.
    """

    def __init__(self, plan: Plan, finished: frozenset[str], *, clock: Callable[[], float] = time.time) -> None:
        self.plan = plan
        self.pace = Pace()
        self.trained: list[str] = []
        self.reused: list[str] = [generation_id for generation_id in plan.generations if generation_id in finished]
        self.failed: dict[str, str] = {}
        self.blocked: dict[str, str] = {}
        self.not_needed: dict[str, str] = {}
        self._reused: set[str] = set(self.reused)
        self._ended: set[str] = set(self.reused)
        self._stopped: set[str] = set()
        self._elsewhere: dict[str, str] = {}
        self.running: set[str] = set()
        self.trainings: dict[str, RunningTraining] = {}
        self.last_reports: dict[str, EpochReport] = {}
        self.choices: dict[str, Choice] = {}
        self.candidates_ended: dict[str, Counter[str]] = {}
        self._candidates: dict[str, dict[str, RunningTraining]] = {}
        self._epoch_s: dict[str, float] = {}
        self._most_at_a_time = 1
        self._limit_seen = False
        self._clock = clock
        self._lock = RLock()
        self._status: SweepStatus | None = None

    def handle(self, event: SweepEvent) -> None:
        with self._lock:
            self._apply(event)
            self._status = None

    def _apply(self, event: SweepEvent) -> None:
        match event:
            case GenerationStarted(generation_id, epochs_done):
                self._run(generation_id)
                if self.plan.generations[generation_id].search is None:
                    self._begin(generation_id, epochs_done)
            case EpochFinished(generation_id, report):
                self._run(generation_id)
                if generation_id not in self.trainings:
                    self._begin(generation_id, 0)
                self._add_epoch(generation_id, self.trainings[generation_id], report)
                self.last_reports[generation_id] = report
            case GenerationFinished(generation_id, reused, choice):
                self._end(generation_id)
                (self.reused if reused else self.trained).append(generation_id)
                if reused:
                    self._reused.add(generation_id)
                if choice is not None:
                    self.choices[generation_id] = choice
            case GenerationFailed(generation_id, reason):
                self._end(generation_id)
                self.failed[generation_id] = reason
            case GenerationStopped(generation_id):
                self._pause(generation_id)
                self._stopped.add(generation_id)
            case GenerationBlocked(generation_id, cause):
                self._end(generation_id)
                self.blocked[generation_id] = cause
            case GenerationNotNeeded(generation_id, cause):
                self._end(generation_id)
                self.not_needed[generation_id] = cause
            case GenerationElsewhere(generation_id, by):
                self._elsewhere[generation_id] = by
            case GenerationUncompiled():
                pass  # It only trains more slowly.
            case CandidateStarted(generation_id, candidate, epochs_done):
                self._begin(generation_id, epochs_done, candidate)
            case CandidateEpochFinished(generation_id, candidate, report):
                if candidate.id in self.trainings:
                    self._add_epoch(generation_id, self.trainings[candidate.id], report)
            case CandidateEnded(generation_id, candidate, outcome):
                self.trainings.pop(candidate.id, None)
                self._candidates.get(generation_id, {}).pop(candidate.id, None)
                if outcome != "stopped":
                    self.candidates_ended.setdefault(generation_id, Counter())[outcome] += 1
            case _:
                assert_never(event)

    def candidate_label(self, generation_id: str, candidate: Candidate) -> str:
        """`wrn-10-1 / ban, candidate 3 of 8`."""
        return f"{self.plan.label(generation_id)}, {self._within_search(generation_id, candidate)}"

    def _within_search(self, generation_id: str, candidate: Candidate) -> str:
        search = self.plan.generations[generation_id].search
        size = "" if search is None else f" of {search.size}"
        return f"candidate {candidate.number + 1}{size}"

    def _run(self, generation_id: str) -> None:
        self.running.add(generation_id)
        self._stopped.discard(generation_id)
        self._elsewhere.pop(generation_id, None)

    def _begin(self, generation_id: str, epochs_done: int, candidate: Candidate | None = None) -> None:
        generation = self.plan.generations[generation_id]
        if candidate is None:
            label, within = self.plan.label(generation_id), within_row(self.plan, generation_id)
            self.trainings[generation_id] = RunningTraining(label, within, generation, epochs_done)
        else:
            label, within = self.candidate_label(generation_id, candidate), f"candidate {candidate.number + 1}"
            training = RunningTraining(label, within, candidate.generation, epochs_done)
            self.trainings[candidate.id] = self._candidates.setdefault(generation_id, {})[candidate.id] = training
        self._most_at_a_time = max(self._most_at_a_time, len(self.trainings))

    def _add_epoch(self, generation_id: str, training: RunningTraining, report: EpochReport) -> None:
        training.add_epoch(report)
        if training.epoch_s is not None:
            self._epoch_s[generation_id] = training.epoch_s
        # Everything that could start has had an epoch's time to start: the others wait for resources.
        self._limit_seen = self._limit_seen or self._something_could_start

    def _pause(self, generation_id: str) -> None:
        self.running.discard(generation_id)
        self.trainings.pop(generation_id, None)
        for candidate_id in self._candidates.pop(generation_id, {}):
            self.trainings.pop(candidate_id, None)

    def _end(self, generation_id: str) -> None:
        self._pause(generation_id)
        self._stopped.discard(generation_id)
        self._elsewhere.pop(generation_id, None)
        self._ended.add(generation_id)

    # Remaining work

    @property
    def left(self) -> list[str]:
        """The generations that may still be trained."""
        return [generation_id for generation_id in self.plan.generations if generation_id not in self._ended]

    @property
    def waiting(self) -> int:
        return len(self.plan.generations) - len(self._ended) - len(self.running) - len(self._elsewhere)

    @property
    def _something_could_start(self) -> bool:
        done = {*self.trained, *self.reused}
        return any(map(self._a_candidate_could_start, self.running)) or any(
            generation_id not in self._ended
            and generation_id not in self.running
            and generation_id not in self._elsewhere
            and (generation.teacher is None or generation.teacher in done)
            for generation_id, generation in self.plan.generations.items()
        )

    def _a_candidate_could_start(self, generation_id: str) -> bool:
        search = self.plan.generations[generation_id].search
        if search is None:
            return False
        running, left = len(self._candidates.get(generation_id, {})), len(self._epochs_left(generation_id))
        return running < (min(left, search.parallel) if search.sampling == "tpe" else left)

    @property
    def time_left_s(self) -> float | None:
        """The seconds left; None where unknown."""
        left = {generation_id: self._epochs_left(generation_id) for generation_id in self.left}
        # The limit of parallel trainings is unknown until one had to wait for resources.
        at_a_time = self._most_at_a_time if self._limit_seen else sum(map(len, left.values()))
        seconds = self.pace.epoch_seconds(self.plan, self._epoch_s)
        return sweep_time_left(self.plan, left, seconds, at_a_time=at_a_time)

    def _epochs_left(self, generation_id: str) -> tuple[int, ...]:
        """The epochs left of each training: of the generation, or of all unfinished candidates."""
        generation = self.plan.generations[generation_id]
        if generation.search is None:
            training = self.trainings.get(generation_id)
            return (generation.recipe.epochs if training is None else training.epochs_left,)
        running = [training.epochs_left for training in self._candidates.get(generation_id, {}).values()]
        through = self.candidates_ended.get(generation_id, Counter()).total()
        to_come = max(0, generation.search.size - through - len(running))
        return (*running, *[generation.recipe.epochs] * to_come)

    # For displays

    @property
    def status(self) -> SweepStatus:
        """The tree's content, computed again only after events."""
        with self._lock:
            if self._status is None:
                generations = {one: self._generation(one) for one in self.plan.generations}
                self._status = SweepStatus(
                    rows=row_statuses(self.plan, generations),
                    counts=self.counts,
                    time_left_s=self.time_left_s,
                    at_least=not self._limit_seen and self.waiting > 0,
                    at=self._clock(),
                )
            return self._status

    def _generation(self, generation_id: str) -> GenerationStatus:
        label, state = within_row(self.plan, generation_id), self.state_of(generation_id)
        training = self.trainings.get(generation_id)
        running = [training] if training is not None else self._candidates.get(generation_id, {}).values()
        trainings = tuple(one.status(self.pace.speed_text) for one in running)
        return GenerationStatus(
            label, state, trainings, self._remark(generation_id, state), searches=state == "searching"
        )

    def _remark(self, generation_id: str, state: GenerationState) -> str:
        generation = self.plan.generations[generation_id]
        if state == "failed":
            return (self.failed[generation_id].splitlines() or [""])[0]
        if state == "started":
            return f"by {self._elsewhere[generation_id]}"
        if state == "blocked":
            return f"{within_row(self.plan, self.blocked[generation_id])} failed"
        if state == "searching" and generation.search is not None:
            through = self.candidates_ended.get(generation_id, Counter()).total()
            return f"{through} of {generation.search.size} through"
        if choice := self.choices.get(generation_id):
            metric = str(generation.select.metric)
            return named_figure_text(metric, choice.value)
        report = self.last_reports.get(generation_id)
        return metric_text(report) if report is not None and state == "finished" else ""

    def state_of(self, generation_id: str) -> GenerationState:
        if generation_id in self.running:
            return "training" if self.plan.generations[generation_id].search is None else "searching"
        if generation_id in self._elsewhere:
            return "started"
        if generation_id not in self._ended:
            return "stopped" if generation_id in self._stopped else "waiting"
        if generation_id in self.failed:
            return "failed"
        if generation_id in self.blocked:
            return "blocked"
        if generation_id in self.not_needed:
            return "not needed"
        return "in the store" if generation_id in self._reused else "finished"

    @property
    def counts(self) -> str:
        """`3 of 6 generations done, 2 running, 1 waiting`; other processes train those that are `elsewhere`."""
        done = len(self.trained) + len(self.reused)
        parts = [f"{done} of {len(self.plan.generations)} generations done"]
        amounts = {
            "running": len(self.running),
            "elsewhere": len(self._elsewhere),
            "waiting": self.waiting,
            "failed": len(self.failed),
            "blocked": len(self.blocked),
            "not needed": len(self.not_needed),
        }
        parts += [f"{amount} {name}" for name, amount in amounts.items() if amount]
        return ", ".join(parts)

    @property
    def amounts(self) -> dict[str, int]:
        """The number of generations by outcome; `left` may still be trained."""
        ended = {"trained": self.trained, "reused": self.reused, "failed": self.failed, "blocked": self.blocked}
        counted = {name: len(members) for name, members in {**ended, "not_needed": self.not_needed}.items()}
        return {**counted, "left": len(self.left)}

    @property
    def closing(self) -> str:
        """`6 trained, 0 reused`, and what went wrong."""
        failed = f", {len(self.failed)} failed, {len(self.blocked)} blocked" if self.failed else ""
        not_needed = f", {len(self.not_needed)} not needed" if self.not_needed else ""
        return f"{len(self.trained)} trained, {len(self.reused)} reused{failed}{not_needed}"
