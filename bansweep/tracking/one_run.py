"""The one run of an identity: found by its tag or created, and merged where it stands twice.

MLflow lets nobody choose a run's id. A request to create one that was carried out and whose answer was lost is sent
again, by the HTTP client itself, and leaves two; so do two sweeps in different stores that begin at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bansweep.tracking import payload

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PARENT = "mlflow.parentRunId"
_IDENTITIES = (payload.SWEEP, payload.GENERATION, payload.CANDIDATE)


def find_or_create(
    client: MlflowClient, experiment_id: str, identity: tuple[str, str], tags: Mapping[str, str], name: str, at: float
) -> str:
    """The id of the run that carries the tag `identity`. A new one begins at the Unix time `at`, with `tags`."""
    found = find(client, experiment_id, identity)
    if found is not None:
        return found
    key, value = identity
    created = client.create_run(experiment_id, payload.milliseconds(at), {**tags, key: value}, name)
    # Looked up again, because it may have been created twice.
    return find(client, experiment_id, identity) or str(created.info.run_id)


def find(client: MlflowClient, experiment_id: str, identity: tuple[str, str]) -> str | None:
    """The id of the run that carries the tag `identity`; None where there is none yet."""
    key, value = identity
    runs = client.search_runs([experiment_id], f"tags.`{key}` = '{value}'")
    return _merged(client, experiment_id, runs) if runs else None


def merge_all(client: MlflowClient, experiment_id: str) -> set[tuple[str, str]]:
    """Merge whatever stands twice in the experiment; the identities that have a run."""
    held: dict[tuple[str, str], list[Run]] = defaultdict(list)
    token = None
    while True:
        page = client.search_runs([experiment_id], page_token=token)
        for run in page:
            for key in _IDENTITIES:
                if key in run.data.tags:
                    held[key, run.data.tags[key]].append(run)
        token = page.token
        if not token:
            break
    for runs in held.values():
        _merged(client, experiment_id, runs)
    return set(held)


def rehang(client: MlflowClient, experiment_id: str, old_id: str, new_id: str) -> None:
    """Put the runs below `old_id` below `new_id`."""
    for below in client.search_runs([experiment_id], f"tags.`{PARENT}` = '{old_id}'", max_results=50_000):
        client.set_tag(below.info.run_id, PARENT, new_id)


def _merged(client: MlflowClient, experiment_id: str, runs: Sequence[Run]) -> str:
    """Keep the one that everybody would keep. What only the others held is filled in from the store."""
    kept, *others = sorted(runs, key=_precedence)
    for other in others:
        rehang(client, experiment_id, other.info.run_id, kept.info.run_id)
        client.delete_run(other.info.run_id)
    return str(kept.info.run_id)


def _precedence(run: Run) -> tuple[bool, bool, int, str]:
    return run.info.status != "FINISHED", not run.data.metrics, run.info.start_time, run.info.run_id
