"""Where a running sweep stands, gathered from its events. Displays read it; it prints nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
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
from bansweep.plan.time_left import sweep_time_left


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
    def epoch_s(self) -> float | None:
        """The median of its epochs so far: the first one, with its warming up, says little."""
        return sorted(self.seconds)[len(self.seconds) // 2] if self.seconds else None

    @property
    def time_left_s(self) -> float | None:
        return None if self.epoch_s is None else self.epoch_s * (self.epochs - self.epochs_done)

    @property
    def speed_text(self) -> str:
        """`8.3 s an epoch`; nothing where that is unknown."""
        return "" if self.epoch_s is None else f"{self.epoch_s:.3g} s an epoch"

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
        self._epoch_s: dict[str, float] = {}
        self._most_at_a_time = 1

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
                self._hear(generation_id, self.trainings[generation_id], report)
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
            case CandidateEpochFinished(generation_id, candidate, report):
                if candidate.id in self.trainings:
                    self._hear(generation_id, self.trainings[candidate.id], report)
            case CandidateEnded(_, candidate):
                self.trainings.pop(candidate.id, None)
            case _:
                assert_never(event)

    def _hear(self, generation_id: str, training: RunningTraining, report: EpochReport) -> None:
        training.hear(report)
        if training.epoch_s is not None:
            self._epoch_s[generation_id] = training.epoch_s

    def candidate_label(self, generation_id: str, candidate: Candidate) -> str:
        """`wrn-10-1 / ban, candidate 3 of 8`."""
        search = self.plan.generations[generation_id].search
        size = "" if search is None else f" of {search.size}"
        return f"{self.plan.label(generation_id)}, candidate {candidate.number + 1}{size}"

    def _begin(self, training: str, label: str, epochs_done: int, trained: Generation | None = None) -> None:
        epochs = (trained or self.plan.generations[training]).recipe.epochs
        self.trainings[training] = RunningTraining(label, epochs_done, epochs)
        self._most_at_a_time = max(self._most_at_a_time, len(self.trainings))

    def _pause(self, generation_id: str) -> None:
        self.running.discard(generation_id)
        self.trainings.pop(generation_id, None)

    def _end(self, generation_id: str) -> None:
        self._pause(generation_id)
        self._ended.add(generation_id)

    # For displays: rows, and what is in them

    @cached_property
    def rows(self) -> dict[str, list[str]]:
        """The generations of each row, in the order of its columns and seeds; one that several rows show is in the
        first of them, and one that none shows in a row of its own."""
        rows: dict[str, dict[str, None]] = {}
        shown: set[str] = set()
        for cell in self.plan.cells:
            if cell.generation_id not in shown:
                shown.add(cell.generation_id)
                rows.setdefault(cell.row, {})[cell.generation_id] = None
        hidden = [generation_id for generation_id in self.plan.generations if generation_id not in shown]
        return {row: list(ids) for row, ids in rows.items()} | ({"teachers besides": hidden} if hidden else {})

    def column_of(self, generation_id: str) -> str:
        """The label without its row."""
        return self.plan.label(generation_id).rpartition(" / ")[2]

    def candidates_of(self, generation_id: str) -> list[RunningTraining]:
        """The candidates of a searched generation that train now."""
        if self.plan.generations[generation_id].search is None:
            return []
        begins = f"{self.plan.label(generation_id)}, candidate "
        return [training for training in self.trainings.values() if training.label.startswith(begins)]

    def state_of(self, generation_id: str) -> str:
        """One word or two: what a generation does, or why it does nothing."""
        states: tuple[tuple[str, Collection[str]], ...] = (
            ("finished", self.trained),
            ("in the store", self.reused),
            ("failed", self.failed),
            ("blocked", self.blocked),
            ("not needed", self.not_needed),
        )
        for state, members in states:
            if generation_id in members:
                return state
        if generation_id not in self.running:
            return "waiting"
        return "training" if self.plan.generations[generation_id].search is None else "searching"

    @property
    def time_left_s(self) -> float | None:
        """How long the sweep will take, as far as its own epochs so far tell."""
        epochs_left = {
            generation_id: self.plan.generations[generation_id].recipe.epochs
            - (self.trainings[generation_id].epochs_done if generation_id in self.trainings else 0)
            for generation_id in self.left
        }
        return sweep_time_left(self.plan, epochs_left, self._epoch_s, at_a_time=self._most_at_a_time)

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
