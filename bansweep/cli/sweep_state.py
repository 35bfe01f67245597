"""Where a running sweep stands, gathered from its events. Displays read it; it prints nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from bansweep.plan.candidates import Candidate
from bansweep.plan.events import (
    CandidateEnded,
    CandidateEpochFinished,
    CandidateStarted,
    EpochFinished,
    EpochReport,
    GenerationBlocked,
    GenerationFailed,
    GenerationFinished,
    GenerationNotNeeded,
    GenerationStarted,
    GenerationStopped,
    SweepEvent,
)
from bansweep.plan.generation import Generation
from bansweep.plan.plan import Plan


@dataclass
class RunningTraining:
    """A generation in training, or a candidate of one: how far it is, and how long its epochs take."""

    label: str
    epochs_done: int
    epochs: int
    seconds: list[float] = field(default_factory=list)
    last_report: EpochReport | None = None

    def hear(self, report: EpochReport) -> None:
        self.epochs_done = report.epoch
        self.last_report = report
        self.seconds.append(report.seconds)

    @property
    def time_left_s(self) -> float | None:
        """By the median of its epochs so far: the first one, with its warming up, says little."""
        if not self.seconds:
            return None
        return sorted(self.seconds)[len(self.seconds) // 2] * (self.epochs - self.epochs_done)

    @property
    def time_left_text(self) -> str:
        """`3 min left`; nothing where that is unknown, or nothing is left."""
        left = self.time_left_s
        return f"{duration_text(left)} left" if left else ""


class SweepState:
    """The outcome so far: `trained`, `reused`, `failed`, `blocked`, `not_needed` by id, and what runs now.

    `trainings` are what runs, by the id of the generation or candidate.
    """

    def __init__(self, plan: Plan, finished: frozenset[str]) -> None:
        self.plan = plan
        self.trained: list[str] = []
        self.reused: list[str] = [generation_id for generation_id in plan.generations if generation_id in finished]
        self.failed: dict[str, str] = {}
        self.blocked: dict[str, str] = {}
        self.not_needed: dict[str, str] = {}
        self._ended: set[str] = set(self.reused)
        self.running: set[str] = set()
        self.trainings: dict[str, RunningTraining] = {}
        self.last_reports: dict[str, EpochReport] = {}

    def handle(self, event: SweepEvent) -> None:
        match event:
            case GenerationStarted(generation_id, epochs_done):
                self.running.add(generation_id)
                if self.plan.generations[generation_id].search is None:
                    self._begin(generation_id, self.plan.label(generation_id), epochs_done)
            case EpochFinished(generation_id, report):
                self.running.add(generation_id)
                if generation_id not in self.trainings:
                    self._begin(generation_id, self.plan.label(generation_id), 0)
                self.trainings[generation_id].hear(report)
                self.last_reports[generation_id] = report
            case GenerationFinished(generation_id, reused):
                self._end(generation_id)
                (self.reused if reused else self.trained).append(generation_id)
            case GenerationFailed(generation_id, reason):
                self._end(generation_id)
                self.failed[generation_id] = reason
            case GenerationStopped(generation_id):
                self._pause(generation_id)
            case GenerationBlocked(generation_id, cause):
                self._end(generation_id)
                self.blocked[generation_id] = cause
            case GenerationNotNeeded(generation_id, cause):
                self._end(generation_id)
                self.not_needed[generation_id] = cause
            case CandidateStarted(generation_id, candidate, epochs_done):
                self._begin(
                    candidate.id, self.candidate_label(generation_id, candidate), epochs_done, candidate.generation
                )
            case CandidateEpochFinished(_, candidate, report):
                if candidate.id in self.trainings:
                    self.trainings[candidate.id].hear(report)
            case CandidateEnded(_, candidate):
                self.trainings.pop(candidate.id, None)
            case _:
                assert_never(event)

    def candidate_label(self, generation_id: str, candidate: Candidate) -> str:
        """`wrn-10-1 / ban, candidate 3 of 8`."""
        search = self.plan.generations[generation_id].search
        size = "" if search is None else f" of {search.size}"
        return f"{self.plan.label(generation_id)}, candidate {candidate.number + 1}{size}"

    def _begin(self, training: str, label: str, epochs_done: int, trained: Generation | None = None) -> None:
        epochs = (trained or self.plan.generations[training]).recipe.epochs
        self.trainings[training] = RunningTraining(label, epochs_done, epochs)

    def _pause(self, generation_id: str) -> None:
        self.running.discard(generation_id)
        self.trainings.pop(generation_id, None)

    def _end(self, generation_id: str) -> None:
        self._pause(generation_id)
        self._ended.add(generation_id)

    @property
    def left(self) -> list[str]:
        """The generations that may still be trained."""
        return [generation_id for generation_id in self.plan.generations if generation_id not in self._ended]

    @property
    def waiting(self) -> int:
        return len(self.plan.generations) - len(self._ended) - len(self.running)

    @property
    def counts(self) -> str:
        """`3 of 6 generations done, 2 running, 1 waiting`."""
        done = len(self.trained) + len(self.reused)
        parts = [f"{done} of {len(self.plan.generations)} generations done"]
        amounts = {
            "running": len(self.running),
            "waiting": self.waiting,
            "failed": len(self.failed),
            "blocked": len(self.blocked),
            "not needed": len(self.not_needed),
        }
        parts += [f"{amount} {name}" for name, amount in amounts.items() if amount]
        return ", ".join(parts)

    @property
    def closing(self) -> str:
        """`6 trained, 0 reused`, and what went wrong."""
        failed = f", {len(self.failed)} failed, {len(self.blocked)} blocked" if self.failed else ""
        not_needed = f", {len(self.not_needed)} not needed" if self.not_needed else ""
        return f"{len(self.trained)} trained, {len(self.reused)} reused{failed}{not_needed}"


def metric_text(report: EpochReport) -> str:
    """How good an epoch's network is: `test error 4.17 %`, `validation perplexity 123.4`."""
    for name, value in report.metrics.items():
        if name.endswith("_error"):
            return f"{name.removesuffix('_error')} error {value:.2f} %"
        if name.endswith("_perplexity"):
            return f"{name.removesuffix('_perplexity')} perplexity {value:.1f}"
    return f"loss {report.metrics.get('train_loss', float('nan')):.3f}"


def duration_text(seconds: float) -> str:
    """`45 s`, `3 min`, `2 h 05 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
