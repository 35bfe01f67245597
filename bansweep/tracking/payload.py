"""What a tracker holds of a sweep, as MLflow's parameters, tags and metric points. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bansweep.plan.events import EpochReport
from bansweep.plan.generation import DataIdentity
from bansweep.plan.plan import Plan
from bansweep.tracking.outcomes import Outcomes
from bansweep.tracking.protocol import FinishedGeneration

NOTE = "mlflow.note.content"
RUN_NAME = "mlflow.runName"
SWEEP = "bansweep.sweep"
GENERATION = "bansweep.generation"
REASON = "bansweep.reason"
SWEEP_FILE = "sweep.yaml"

# What a generation is judged by: the first of these that it has.
_VERDICTS = ("test_error", "test_perplexity", "validation_error", "validation_perplexity")
_LONGEST_TAG = 5000  # MLflow before 3 refuses longer ones


class Point(NamedTuple):
    """One point of a metric. All four together are the point's key in MLflow, so that a replay stores it once."""

    key: str
    value: float
    timestamp_ms: int
    step: int


@dataclass(frozen=True)
class RunDescription:
    """What can be said of a generation's run before it is trained."""

    generation_id: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    data: DataIdentity

    @property
    def digest(self) -> str:
        """Changes when a run that is already complete has to be described anew, as when columns are added."""
        return digest_of({"params": self.params, "tags": self.tags})


def describe(plan: Plan, generation_id: str) -> RunDescription:
    """The description of a generation of `plan`; raises KeyError for one that is not in it."""
    generation = plan.generations[generation_id]
    # Neither is fixed by the id, and MLflow does not let a parameter change: they are tags.
    fields = generation.model_dump(mode="json", exclude={"generation_index", "teacher"})
    cells = plan.cells_of[generation_id]
    tags = {
        RUN_NAME: name_of(plan, generation_id),
        GENERATION: generation_id,
        "bansweep.network": generation.network.name,
        "bansweep.row": _joined(cell.row for cell in cells),
        "bansweep.column": _joined(cell.column for cell in cells),
        "bansweep.loss": generation.loss.kind,
        "bansweep.generation_index": str(generation.generation_index),
        "bansweep.seed": _joined(str(cell.replica_seed) for cell in cells),
        "bansweep.teacher": generation.teacher or "",
        "bansweep.lineage": " > ".join(lineage(plan, generation_id)),
        NOTE: _note(plan, generation_id),
    }
    return RunDescription(
        generation_id,
        params=dict(_flattened(fields)),
        tags={key: value[:_LONGEST_TAG] for key, value in tags.items()},
        data=generation.data,
    )


def name_of(plan: Plan, generation_id: str) -> str:
    """The plan's label, or network and id where no cell shows the generation."""
    if plan.cells_of.get(generation_id):
        return plan.label(generation_id)
    known = plan.generations.get(generation_id)
    return f"{known.network.name} / {generation_id}" if known else generation_id


def lineage(plan: Plan, generation_id: str) -> tuple[str, ...]:
    """The ids from the generation that learnt from labels down to this one."""
    ids = [generation_id]
    while (generation := plan.generations.get(ids[-1])) and generation.teacher:
        ids.append(generation.teacher)
    return tuple(reversed(ids))


def finished_note(plan: Plan, finished: FinishedGeneration) -> str:
    """The run's note with its verdict: the figure that the report shows, else the first one that there is."""
    figures = finished.metrics
    name = next((name for name in (*_VERDICTS, *figures) if name in figures), None)
    if name is None:
        return _note(plan, finished.generation_id)
    figure = f"{figures[name]:.2f}" if name.endswith("_perplexity") else f"{figures[name]:.4g}"
    unit = " %" if name.endswith("_error") else ""
    verdict = f"**{name.replace('_', ' ')} {figure}{unit}**"
    return f"{verdict}\n\n{_note(plan, finished.generation_id)}"[:_LONGEST_TAG]


def epoch_points(report: EpochReport) -> tuple[Point, ...]:
    """The points of one epoch, at the time when it ended."""
    figures = {**report.metrics, "epoch_seconds": report.seconds}
    return tuple(Point(key, value, milliseconds(report.finished_at), report.epoch) for key, value in figures.items())


def all_points(finished: FinishedGeneration) -> tuple[Point, ...]:
    """Every point of a finished generation: its epochs, and its final figures at the last of them."""
    points = [point for report in finished.history for point in epoch_points(report)]
    last_epoch = finished.history[-1].epoch if finished.history else 0
    figures = {
        **{f"final_{name}": value for name, value in finished.metrics.items()},
        "parameters": float(finished.parameters),
        "training_seconds": finished.training_seconds,
    }
    at = milliseconds(finished.finished_at)
    return (*points, *(Point(key, value, at, last_epoch) for key, value in figures.items()))


def sweep_tags(plan: Plan, finished_ids: frozenset[str], outcomes: Outcomes) -> dict[str, str]:
    """The parent run's tags: how far the sweep came, and what failed or was blocked."""
    lines = [f"{len(finished_ids)} of {len(plan.generations)} generations finished"]
    lines += [f"- {name_of(plan, failed)}: failed: {reason}" for failed, reason in outcomes.failed.items()]
    lines += [
        f"- {name_of(plan, blocked)}: blocked by {name_of(plan, cause)}" for blocked, cause in outcomes.blocked.items()
    ]
    tags = {SWEEP: plan.sweep, "bansweep.blocked": ", ".join(outcomes.blocked), NOTE: "\n".join(lines)}
    return {key: value[:_LONGEST_TAG] for key, value in tags.items()}


def failure_tags(reason: str) -> dict[str, str]:
    """The tags of a failed generation's run."""
    return {REASON: reason[:_LONGEST_TAG]}


def milliseconds(seconds: float) -> int:
    """A Unix time as MLflow writes it."""
    return round(seconds * 1000)


def digest_of(content: object) -> str:
    """A short digest of anything that JSON can say."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _note(plan: Plan, generation_id: str) -> str:
    names = " > ".join(name_of(plan, ancestor) for ancestor in lineage(plan, generation_id))
    return f"loss {plan.generations[generation_id].loss.kind}; lineage: {names}"


def _joined(names: Iterator[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _flattened(fields: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested fields as dotted names; what is not set is left out."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)
