"""What trains now, how fast, and how long each training still takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median_low

from bansweep.plan.events import EpochReport
from bansweep.plan.generation import Generation
from bansweep.plan.metric_text import figure_text, name_text
from bansweep.service.progress.standing import TrainingStanding


@dataclass
class RunningTraining:
    """A generation in training, or a candidate of one: how far it is, and how long its epochs take.

    `within` is its label inside its row, or inside its generation where it is a candidate.
    """

    label: str
    within: str
    trained: Generation
    epochs_done: int
    seconds: list[float] = field(default_factory=list)
    last_report: EpochReport | None = None

    @property
    def epochs(self) -> int:
        return self.trained.recipe.epochs

    @property
    def epochs_left(self) -> int:
        return max(0, self.epochs - self.epochs_done)

    def hear(self, report: EpochReport) -> None:
        self.epochs_done = report.epoch
        self.last_report = report
        self.seconds.append(report.seconds)

    @property
    def epoch_s(self) -> float | None:
        """The median of its epochs so far: the first one, with its warming up, says little."""
        return median_low(self.seconds) if self.seconds else None

    @property
    def time_left_s(self) -> float | None:
        return None if self.epoch_s is None else self.epoch_s * self.epochs_left

    @property
    def time_left_text(self) -> str:
        """`3 min left`; nothing where that is unknown, or nothing is left."""
        left = self.time_left_s
        return f"{duration_text(left)} left" if left else ""

    def standing(self, speed_text: Callable[[Generation, float | None], str]) -> TrainingStanding:
        return TrainingStanding(
            self.within,
            self.epochs_done,
            self.epochs,
            metric=metric_text(self.last_report) if self.last_report else "",
            speed=speed_text(self.trained, self.epoch_s),
            left=self.time_left_text,
        )


def metric_text(report: EpochReport) -> str:
    """How good an epoch's network is: `test error 4.17 %`, `validation perplexity 123.41`."""
    for name, value in report.metrics.items():
        if name.endswith(("_error", "_perplexity")):
            return f"{name_text(name)} {figure_text(name, value)}"
    return f"loss {report.metrics.get('train_loss', float('nan')):.3f}"


def duration_text(seconds: float) -> str:
    """`45 s`, `3 min`, `2 h 05 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
