"""A sweep and its trainings as MLflow's parameters, tags and points, before results are known. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bansweep.config.losses import loss_name
from bansweep.config.sweep import Select
from bansweep.config.user_code import with_digests
from bansweep.formatting import setting_text
from bansweep.graph.candidates import Candidate, CandidateEnding
from bansweep.graph.events import CandidateEnded, CandidateEvent, CandidateStarted, SweepEvent
from bansweep.graph.generation import DataIdentity, Generation
from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.tracking.model_chains import chains_of
from bansweep.tracking.protocol import Outcomes
from bansweep.tracking.run_note import LONGEST_NOTE, generation_note, name_of

NOTE = "mlflow.note.content"
RUN_NAME = "mlflow.runName"
SWEEP = "bansweep.sweep"
GENERATION = "bansweep.generation"
CANDIDATE = "bansweep.candidate"
ENSEMBLE = "bansweep.ensemble"
OUTCOME = "bansweep.outcome"
REASON = "bansweep.reason"
WINNER = "bansweep.winner"
LEVEL = "bansweep.level"  # sweep, generation, candidate or ensemble: MLflow cannot ask for runs that lack a tag
STORE = "bansweep.store"
SWEEP_FILE = "sweep.yaml"

PASSING_TAGS = (OUTCOME, REASON, WINNER)
"""Tags that hold until a generation or candidate is tried again."""

EPOCH_WITNESS = "epoch_seconds"  # what every epoch has
END_WITNESS = "training_seconds"  # what the end of every training has
SYSTEM_METRICS = "system/"  # MLflow's UI shows these on a tab of their own
LONGEST_TAG = LONGEST_NOTE
_LONGEST_PARAM = 6000  # MLflow's limit
_DIGEST_LENGTH = 36  # likewise

RunStatus = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]

# MLflow's pages show KILLED in the same red as FAILED. Pruning a candidate is normal in a search: its run is FINISHED,
# and its outcome a tag.
CANDIDATE_STATUS: Mapping[CandidateEnding, RunStatus] = {
    "finished": "FINISHED",
    "pruned": "FINISHED",
    "failed": "FAILED",
    "stopped": "KILLED",
}


class Point(NamedTuple):
    """One point of a metric. All four together are the point's key in MLflow, so that a replay stores it once."""

    key: str
    value: float
    timestamp_ms: int
    step: int


@dataclass(frozen=True)
class RunDescription:
    """The run of a generation, candidate or ensemble without its figures.

    `identity` is the tag (key and value) by which the run is found. A candidate's run is `below` its generation's; all
    others are below the sweep's run (None).
    """

    identity: tuple[str, str]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    data: DataIdentity
    below: RunDescription | None = None

    @property
    def digest(self) -> str:
        """Changes when a run that is already complete needs a new description, as when columns are added."""
        return digest_of({"params": self.params, "tags": self.tags})


def describe(plan: Plan, generation_id: str) -> RunDescription:
    """The description of a generation of `plan`; raises KeyError for one that is not in it.

    A searched one lacks the parameters that its search decides, because MLflow cannot change a parameter.
    """
    generation = plan.generations[generation_id]
    searched = () if generation.search is None else tuple(generation.search.parameters)
    tags = {
        RUN_NAME: name_of(plan, generation_id),
        GENERATION: generation_id,
        LEVEL: "generation",
        **_tags(plan, generation_id, generation),
        NOTE: generation_note(plan, generation_id, generation),
    }
    return RunDescription(
        identity=(GENERATION, generation_id),
        params={key: value for key, value in _params(generation).items() if not _is_part_of(key, searched)},
        tags=_shortened(tags),
        data=generation.data,
    )


def describe_candidate(plan: Plan, generation_id: str, candidate: Candidate) -> RunDescription:
    """The description of a candidate of a searched generation of `plan`; raises KeyError likewise."""
    # Two searches may have the same candidate; each has its own run for it.
    identity = f"{generation_id}/{candidate.id}"
    setting = ", ".join(f"{key} {setting_text(value)}" for key, value in candidate.setting.items())
    note = generation_note(plan, generation_id, candidate.generation)
    tags = {
        RUN_NAME: f"{name_of(plan, generation_id)}, candidate {candidate.number + 1}",
        CANDIDATE: identity,
        LEVEL: "candidate",
        "bansweep.candidate_number": str(candidate.number + 1),
        "bansweep.searched_generation": generation_id,
        **_tags(plan, generation_id, candidate.generation),
        NOTE: f"candidate {candidate.number + 1}: {setting}\n\n{note}",
    }
    return RunDescription(
        identity=(CANDIDATE, identity),
        params=candidate_params(candidate),
        tags=_shortened(tags),
        data=candidate.generation.data,
        below=describe(plan, generation_id),
    )


def describe_subject(plan: Plan, event: SweepEvent) -> RunDescription:
    """The description of the generation or candidate of an event."""
    if isinstance(event, CandidateEvent):
        return describe_candidate(plan, event.generation_id, event.candidate)
    return describe(plan, event.generation_id)


def candidate_params(candidate: Candidate) -> dict[str, str]:
    """All of a candidate's parameters; hyperparameters have the keys that sweep files give them."""
    unset = {key: "null" for key, value in candidate.setting.items() if value is None}
    return {**_params(candidate.generation), **unset}


def epoch_points(report: EpochReport) -> tuple[Point, ...]:
    """The points of one epoch, at the time when it ended."""
    system = {f"{SYSTEM_METRICS}{name}": value for name, value in report.system.items()}
    figures = {**report.metrics, **system, EPOCH_WITNESS: report.seconds}
    return tuple(Point(key, value, milliseconds(report.finished_at), report.epoch) for key, value in figures.items())


def sweep_tags(plan: Plan, finished_ids: frozenset[str], outcomes: Outcomes) -> dict[str, str]:
    """The parent run's tags: the sweep's progress, and what failed, was blocked or was not needed."""
    lines = [f"{len(finished_ids)} of {len(plan.generations)} generations finished"]
    lines += [f"- {name_of(plan, failed)}: failed: {reason}" for failed, reason in outcomes.failed.items()]
    lines += [
        f"- {name_of(plan, blocked)}: blocked by {name_of(plan, cause)}" for blocked, cause in outcomes.blocked.items()
    ]
    lines += [
        f"- {name_of(plan, spared)}: not needed, its chain ended with {name_of(plan, cause)}"
        for spared, cause in outcomes.not_needed.items()
    ]
    return _shortened(
        {SWEEP: plan.sweep, LEVEL: "sweep", "bansweep.blocked": ", ".join(outcomes.blocked), NOTE: "\n".join(lines)}
    )


def failure_tags(reason: str) -> dict[str, str]:
    """The tags of a failed generation's run."""
    return _shortened({REASON: reason})


def outcome_tags(outcome: CandidateEnding, reason: str) -> dict[str, str]:
    """The tags of a candidate's run that ended; one that was stopped has no outcome yet."""
    if outcome == "stopped":
        return {}
    return {OUTCOME: outcome, **(failure_tags(reason) if outcome == "failed" else {})}


def last_word(event: CandidateStarted | CandidateEnded) -> tuple[RunStatus, dict[str, str]]:
    """Status and tags of a candidate's run at the end of the sweep; one that was still training was interrupted."""
    if isinstance(event, CandidateStarted):
        return "KILLED", {}
    return CANDIDATE_STATUS[event.outcome], outcome_tags(event.outcome, event.reason)


def data_digest(data: DataIdentity) -> str:
    """The digest that a data set has in MLflow: as much of its fingerprint as fits."""
    return data.fingerprint[:_DIGEST_LENGTH]


def milliseconds(seconds: float) -> int:
    """A Unix time as MLflow writes it."""
    return round(seconds * 1000)


def digest_of(content: object) -> str:
    """A short digest of anything that JSON can represent."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _params(generation: Generation) -> dict[str, str]:
    # Neither is part of the id, and MLflow cannot change a parameter: they are tags.
    fields = with_digests(generation.model_dump(mode="json", exclude={"generation_index", "teacher"}))
    if generation.select == Select():
        del fields["select"]  # it decides nothing
    if generation.search is not None:
        del fields["search"]["keep"]  # it affects neither training nor the id
    return {key: value[:_LONGEST_PARAM] for key, value in _flattened(fields)}


def _tags(plan: Plan, generation_id: str, trained: Generation) -> dict[str, str]:
    """Place and lineage of the generation; `trained` is the generation itself or one of its candidates."""
    cells = plan.cells_of[generation_id]
    return {
        "bansweep.network": trained.network.name,
        "bansweep.row": _joined(cell.row for cell in cells),
        "bansweep.column": _joined(cell.column for cell in cells),
        "bansweep.chain": _joined(one.name for one in chains_of(plan) if generation_id in one.members),
        "bansweep.loss": loss_name(trained.loss),
        "bansweep.generation_index": str(trained.generation_index),
        "bansweep.seed": _joined(str(cell.replica_seed) for cell in cells),
        "bansweep.teacher": trained.teacher or "",
        "bansweep.lineage": " > ".join(plan.lineage(generation_id)),
    }


def _shortened(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value[:LONGEST_TAG] for key, value in tags.items()}


def _is_part_of(key: str, searched: tuple[str, ...]) -> bool:
    return any(key == one or key.startswith(f"{one}.") for one in searched)


def _joined(names: Iterator[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _flattened(fields: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested fields as dotted names; fields that are None are skipped."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)
