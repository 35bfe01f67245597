"""The one run of an identity: found by its tag or created, with duplicates merged.

MLflow chooses the ids of runs. If the answer to a request to create one is lost, the HTTP client sends it again, which
creates two runs. Two sweeps in different stores that begin at once do so, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from bansweep.tracking import payload

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


PARENT = "mlflow.parentRunId"
Identity = tuple[str, str]
"""Key and value of the tag by which a run is found."""

_IDENTITIES = (payload.SWEEP, payload.GENERATION, payload.CANDIDATE, payload.ENSEMBLE)


def find_or_create(
    client: MlflowClient, experiment_id: str, identity: Identity, tags: Mapping[str, str], name: str, at: float
) -> str:
    """The id of the run that carries the tag `identity`. A new one begins at the Unix time `at`, with `tags`."""
    found = find(client, experiment_id, identity)
    if found is not None:
        return found
    key, value = identity
    created = client.create_run(experiment_id, payload.milliseconds(at), {**tags, key: value}, name)
    # Looked up again, because it may have been created twice.
    return find(client, experiment_id, identity) or str(created.info.run_id)


def find(client: MlflowClient, experiment_id: str, identity: Identity) -> str | None:
    """The id of the run that carries the tag `identity`; None where there is none yet."""
    key, value = identity
    runs = client.search_runs([experiment_id], f"tags.`{key}` = '{value}'")
    return str(_merged(client, experiment_id, runs).info.run_id) if runs else None


def merge_all(client: MlflowClient, experiment_id: str) -> set[Identity]:
    """Merges duplicates in the experiment and repairs parents; returns the identities of finished runs.

    A run created during another process's merge may still have a deleted parent.
    """
    held = _by_identity(client, experiment_id)
    kept = {identity: _merged(client, experiment_id, runs) for identity, runs in held.items()}
    for identity, run in kept.items():
        above = kept.get(_above(identity, kept), run)
        if above is not run and run.data.tags.get(PARENT) != above.info.run_id:
            client.set_tag(run.info.run_id, PARENT, above.info.run_id)
    return {identity for identity, run in kept.items() if run.info.status == "FINISHED"}


def all_of(client: MlflowClient, experiment_id: str, key: str) -> dict[str, Run]:
    """The experiment's runs that carry the tag `key`, by its value."""
    return {run.data.tags[key]: run for run in _pages(client, experiment_id, f"tags.`{key}` LIKE '%'")}


def reparent(client: MlflowClient, experiment_id: str, old_id: str, new_id: str) -> None:
    """Moves the runs below `old_id` to below `new_id`."""
    for below in client.search_runs([experiment_id], f"tags.`{PARENT}` = '{old_id}'", max_results=50_000):
        client.set_tag(below.info.run_id, PARENT, new_id)


def _by_identity(client: MlflowClient, experiment_id: str) -> dict[Identity, list[Run]]:
    held: dict[Identity, list[Run]] = defaultdict(list)
    for run in _pages(client, experiment_id, ""):
        for key in _IDENTITIES:
            if key in run.data.tags:
                held[key, run.data.tags[key]].append(run)
    return held


def _pages(client: MlflowClient, experiment_id: str, condition: str) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs([experiment_id], condition, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _above(identity: Identity, known: Iterable[Identity]) -> Identity:
    """The parent of `identity` among the `known` identities; itself where there is none."""
    key, value = identity
    if key == payload.CANDIDATE:
        return payload.GENERATION, value.partition("/")[0]
    return next((one for one in known if key != payload.SWEEP and one[0] == payload.SWEEP), identity)


def _merged(client: MlflowClient, experiment_id: str, runs: Sequence[Run]) -> Run:
    """Keeps the run that every process would keep. Data of the others are backfilled from the store."""
    kept, *others = sorted(runs, key=_precedence)
    for other in others:
        reparent(client, experiment_id, other.info.run_id, kept.info.run_id)
        _delete(client, other.info.run_id)
    return kept


def _delete(client: MlflowClient, run_id: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.delete_run(run_id)
    except MlflowException:
        # Another process may have merged the same runs just now.
        if client.get_run(run_id).info.lifecycle_stage != "deleted":
            raise


def _precedence(run: Run) -> tuple[bool, int, str]:
    """Finished runs first, then the oldest. Metrics do not count: two processes that merge while they arrive would see
    different ones, and each would delete the run that the other keeps."""
    return run.info.status != "FINISHED", run.info.start_time, run.info.run_id
