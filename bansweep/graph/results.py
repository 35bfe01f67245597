"""What trainings yield: the report of each epoch, the epoch that counts, and the results of candidates.

Lower metrics are better; NaN and missing values sort last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bansweep.graph.candidates import Candidate, CandidateOutcome
from bansweep.graph.generation import Generation

# An error rate is k / n images: another k changes it by far more, the rounding of a bound by far less.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class EpochReport:
    """One finished epoch of one generation; the row of its history.

    `epoch` counts from 1, `seconds` is this epoch's wall time (training and evaluation), `finished_at` is Unix time
    in seconds. `metrics` has flat names, errors in percent: `train_loss`, `learning_rate`, and for the evaluation
    split `S` (`validation` where there is one, else `test`) `S_loss` and `S_error`, or `S_perplexity` for text.
    `system` is what the epoch used of the machine, and does not depend on what was learnt.
    """

    epoch: int
    epochs: int
    seconds: float
    finished_at: float
    metrics: Mapping[str, float]
    system: Mapping[str, float] = field(default_factory=dict)


def comparable(value: float | None) -> float:
    """The value as something that can be compared: infinite if it is NaN or missing."""
    return math.inf if value is None or math.isnan(value) else value


def exceeds(value: float, bound: float) -> bool:
    """Whether a value exceeds a computed bound. A difference within rounding errors counts as equal."""
    return value > bound and not math.isclose(value, bound, rel_tol=_ROUNDING)


def selected_epoch(history: Sequence[EpochReport], generation: Generation) -> int:
    """The epoch (from 1) whose weights a generation is: the last one, or the first of the best by its metric."""
    metric = generation.select.metric
    if generation.select.epoch == "last" or metric is None:
        return history[-1].epoch
    return min(history, key=lambda report: comparable(report.metrics[metric])).epoch


@dataclass(frozen=True)
class CandidateResult:
    """What became of a candidate. `history` ends where it was pruned; `value` is what it is compared by.

    Lower values are better; `epoch` is the one whose weights count (1 is the first). A failed candidate has neither,
    but a `reason`.
    """

    candidate: Candidate
    outcome: CandidateOutcome
    history: tuple[EpochReport, ...]
    epoch: int | None
    value: float | None
    reason: str = ""

    @property
    def seconds(self) -> float:
        """The time spent training."""
        return sum(report.seconds for report in self.history)
