"""What MLflow is told of an ensemble: a run of its own, in which nothing was trained. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bansweep.plan.plan import Plan
from bansweep.tracking import payload
from bansweep.tracking.completion import Completion, points_at, verdict
from bansweep.tracking.payload import NOTE, RunDescription
from bansweep.tracking.protocol import FinishedEnsemble, FinishedGeneration
from bansweep.tracking.run_note import ensemble_note


def describe_ensemble(plan: Plan, ensemble: FinishedEnsemble) -> RunDescription:
    """The run of an ensemble of generations of `plan`; raises KeyError for members that are not in it."""
    members = [plan.generations[member] for member in ensemble.members]
    replica = f" (seed {ensemble.replica_seed})" if len(plan.replica_seeds) > 1 else ""
    tags = {
        payload.RUN_NAME: f"{ensemble.row} / {ensemble.column}{replica}",
        payload.ENSEMBLE: ensemble.key,
        payload.LEVEL: "ensemble",
        "bansweep.network": ", ".join(dict.fromkeys(member.network.name for member in members)),
        "bansweep.row": ensemble.row,
        "bansweep.column": ensemble.column,
        "bansweep.seed": str(ensemble.replica_seed),
        "bansweep.members": ", ".join(ensemble.members),
        NOTE: ensemble_note(plan, ensemble.members),
    }
    return RunDescription(
        identity=(payload.ENSEMBLE, ensemble.key),
        params={},
        tags={key: value[: payload.LONGEST_TAG] for key, value in tags.items()},
        data=members[0].data,
    )


def completed_ensemble(
    description: RunDescription, ensemble: FinishedEnsemble, items: Mapping[str, FinishedGeneration]
) -> Completion:
    """The figures of an ensemble whose members are among `items`, which are by their ids.

    It is there as soon as its last member is. Its parameters and seconds are those of all members.
    """
    members = [items[member] for member in ensemble.members]
    ended_at = max(member.finished_at for member in members)
    figures = {
        **{f"final_{name}": value for name, value in ensemble.metrics.items()},
        "parameters": float(sum(member.parameters for member in members)),
        payload.END_WITNESS: sum(member.training_seconds for member in members),
    }
    note = "\n\n".join(filter(None, (verdict(ensemble.metrics), description.tags[NOTE])))
    return Completion(
        status="FINISHED",
        params={},
        tags={NOTE: note[: payload.LONGEST_TAG]},
        points=points_at(figures, ended_at, 0),
        started_at=ended_at,
        ended_at=ended_at,
    )
