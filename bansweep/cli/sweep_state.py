"""Where a running sweep stands, gathered from its events. Displays read it; it prints nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from bansweep.plan.events import (
    EpochFinished,
    EpochReport,
    GenerationBlocked,
    GenerationFailed,
    GenerationFinished,
    GenerationStarted,
    SweepEvent,
)
from bansweep.plan.plan import Plan


@dataclass
class RunningGeneration:
    """A generation in training: how far it is, and how long its epochs take."""

    epochs_done: int
    epochs: int
    seconds: list[float] = field(default_factory=list)

    @property
    def time_left_s(self) -> float | None:
        """By the median of its epochs so far: the first one, with its warming up, says little."""
        if not self.seconds:
            return None
        return sorted(self.seconds)[len(self.seconds) // 2] * (self.epochs - self.epochs_done)


class SweepState:
    """The outcome so far: `trained`, `reused`, `failed`, `blocked` by id, and what runs now."""

    def __init__(self, plan: Plan, finished: frozenset[str]) -> None:
        self.plan = plan
        self.trained: list[str] = []
        self.reused: list[str] = [generation_id for generation_id in plan.generations if generation_id in finished]
        self.failed: dict[str, str] = {}
        self.blocked: dict[str, str] = {}
        self.running: dict[str, RunningGeneration] = {}
        self.last_reports: dict[str, EpochReport] = {}

    def handle(self, event: SweepEvent) -> None:
        match event:
            case GenerationStarted(generation_id, epochs_done):
                epochs = self.plan.generations[generation_id].recipe.epochs
                self.running[generation_id] = RunningGeneration(epochs_done, epochs)
            case EpochFinished(generation_id, report):
                running = self.running.setdefault(generation_id, RunningGeneration(0, report.epochs))
                running.epochs_done = report.epoch
                self.last_reports[generation_id] = report
                running.seconds.append(report.seconds)
            case GenerationFinished(generation_id, reused):
                self.running.pop(generation_id, None)
                (self.reused if reused else self.trained).append(generation_id)
            case GenerationFailed(generation_id, reason):
                self.running.pop(generation_id, None)
                self.failed[generation_id] = reason
            case GenerationBlocked(generation_id, cause):
                self.blocked[generation_id] = cause

    @property
    def waiting(self) -> int:
        ended = len(self.trained) + len(self.reused) + len(self.failed) + len(self.blocked)
        return len(self.plan.generations) - ended - len(self.running)

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
        }
        parts += [f"{amount} {name}" for name, amount in amounts.items() if amount]
        return ", ".join(parts)

    @property
    def closing(self) -> str:
        """`6 trained, 0 reused`, and what went wrong."""
        failed = f", {len(self.failed)} failed, {len(self.blocked)} blocked" if self.failed else ""
        return f"{len(self.trained)} trained, {len(self.reused)} reused{failed}"


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
