"""A sweep's experiment and runs in MLflow: found by their tags, created where missing, never twice.

MLflow can delete runs, but no single points and parameters. A run with superseded points is therefore deleted and
recreated with the points of the epochs before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bansweep.graph.generation import DataIdentity
from bansweep.tracking import payload
from bansweep.tracking.completion import Completion
from bansweep.tracking.models import SweepModels
from bansweep.tracking.payload import END_WITNESS, EPOCH_WITNESS, Point, RunDescription, RunStatus
from bansweep.tracking.run_lookup import PARENT, all_of, find_or_create, merge_all, reparent
from bansweep.tracking.run_note import with_links
from bansweep.tracking.sync_state import exclusive_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run, RunTag


WITNESSES = (EPOCH_WITNESS, END_WITNESS)
"""Metrics checked in place of all: every epoch sends the first, every end of a training the second."""

# MLflow's limits.
_METRICS_A_BATCH = 1000
_PARAMS_A_BATCH = 100

# Without this tag MLflow's pages guess whether an experiment is about training or about language agents.
_KIND = "mlflow.experimentKind"
_TRAINING = "custom_model_development"


def open_runs(
    client: MlflowClient, sweep: str, artifact_location: str | None, started_at: float, lock: Path, store_root: Path
) -> SweepRuns:
    """The experiment and the parent run of `sweep`; a deleted experiment of its name is restored.

    The file `lock` prevents two processes from creating the same at once, a new database included. Runs name
    `store_root` as the place of their records.
    """
    with exclusive_lock(lock):
        experiment_id = _experiment(client, sweep, artifact_location)
        parent_id = find_or_create(client, experiment_id, (payload.SWEEP, sweep), {}, sweep, started_at)
    return SweepRuns(client, experiment_id, parent_id, lock, store_root)


class SweepRuns:
    """One sweep in MLflow: an experiment, a parent run, a run below it for each generation and ensemble, and below that
    of a searched generation a run for each candidate.

    Every method sends requests at once and may raise any error of MLflow's client. Each may be repeated: a point is
    identified by key, value, time and step, so that MLflow stores it once.
    """

    def __init__(self, client: MlflowClient, experiment_id: str, parent_id: str, lock: Path, store_root: Path) -> None:
        self.experiment_id = experiment_id
        self.parent_id = parent_id
        self._client = client
        self._lock = lock
        self._store_root = store_root
        self._run_ids: dict[tuple[str, str], str] = {}
        self._last_steps: dict[str, int] = {}  # by run ids: as far as this object has sent points

    def begin(self, description: RunDescription, started_at: float) -> None:
        """A generation or candidate is being trained; `started_at` in Unix seconds counts for a new run only."""
        run = self._without_old_outcome(self._run_of(description, started_at), {})
        if run.info.status != "RUNNING":
            self._client.update_run(run.info.run_id, "RUNNING")

    def add_points(self, description: RunDescription, points: Sequence[Point], started_at: float) -> None:
        """Adds to a run's metrics. A run with superseded points of these epochs is recreated."""
        if not points:
            return
        run_id = self._run_of(description, started_at)
        first_step = min(point.step for point in points)
        # Points that this object sent for earlier steps cannot be superseded.
        if self._last_steps.get(run_id, first_step) >= first_step and self._has_superseded_points(run_id, points):
            run_id = self._recreate_run(description, run_id, started_at, before_step=first_step)
        self._log_points(run_id, points)
        self._last_steps[run_id] = max(point.step for point in points)

    def end(self, description: RunDescription, status: RunStatus, ended_at: float, tags: Mapping[str, str]) -> None:
        """A training has ended, at `ended_at` in Unix seconds; an end that was sent before keeps its time."""
        run_id = self._run_of(description, ended_at)
        tags = self._with_links(tags)
        run = self._without_old_outcome(run_id, tags)
        if run.info.status == status and all(run.data.tags.get(key) == value for key, value in tags.items()):
            return
        if tags:
            self._client.log_batch(run_id, tags=_run_tags(tags))
        self._client.set_terminated(run_id, status, payload.milliseconds(ended_at))

    def complete(self, description: RunDescription, completion: Completion) -> str:
        """Sends everything about a finished generation, candidate or ensemble; returns its run's id."""
        if completion.params:
            self._complete_params(description, completion)
        self.add_points(description, completion.points, completion.started_at)
        self.end(description, completion.status, completion.ended_at, completion.tags)
        return self._run_of(description, completion.started_at)

    @property
    def models(self) -> SweepModels:
        """The models of this sweep, as MLflow has them now."""
        return SweepModels(self._client, self.experiment_id, self._store_root, self._lock)

    def begin_sweep(self) -> None:
        """The sweep is running."""
        self._client.update_run(self.parent_id, "RUNNING")

    def end_sweep(
        self, documents: Mapping[str, str], tags: Mapping[str, str], status: RunStatus, ended_at: float
    ) -> None:
        """The sweep has ended: its documents (file name -> text) become artifacts of the parent run."""
        for name, text in documents.items():
            self._client.log_text(self.parent_id, text, name)
        linked = {**self._with_links(tags), payload.STORE: str(self._store_root)}
        self._client.log_batch(self.parent_id, tags=_run_tags(linked))
        self._client.set_terminated(self.parent_id, status, payload.milliseconds(ended_at))

    def _without_old_outcome(self, run_id: str, tags: Mapping[str, str]) -> Run:
        """The run, after deleting tags of an earlier outcome that are not in `tags`."""
        run = self._client.get_run(run_id)
        for key in payload.PASSING_TAGS:
            if key in run.data.tags and key not in tags:
                self._client.delete_tag(run_id, key)
        return run

    def merge_duplicates(self) -> set[tuple[str, str]]:
        """Merges duplicate runs in the experiment; returns the identities of finished ones."""
        with exclusive_lock(self._lock):
            return merge_all(self._client, self.experiment_id)

    def _has_superseded_points(self, run_id: str, points: Sequence[Point]) -> bool:
        sent = {point.key for point in points}
        return any(
            is_superseded(
                key, [(one.step, one.timestamp) for one in self._client.get_metric_history(run_id, key)], points
            )
            for key in WITNESSES
            if key in sent
        )

    def _recreate_run(self, description: RunDescription, run_id: str, started_at: float, before_step: int) -> str:
        """Replaces a run by one without its points from `before_step` on; returns the new id."""
        kept = [
            Point(key, one.value, one.timestamp, one.step)
            for key in self._client.get_run(run_id).data.metrics
            for one in self._client.get_metric_history(run_id, key)
            if one.step < before_step
        ]
        self._client.delete_run(run_id)
        # Runs of candidates get the new parent when they are described again; reparent does so for the others.
        self._run_ids.clear()
        new_id = self._run_of(description, started_at)
        reparent(self._client, self.experiment_id, run_id, new_id)
        self._log_points(new_id, kept)
        return new_id

    def _log_points(self, run_id: str, points: Sequence[Point]) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(point.key, point.value, point.timestamp_ms, point.step) for point in points]
        for first in range(0, len(metrics), _METRICS_A_BATCH):
            self._client.log_batch(run_id, metrics=metrics[first : first + _METRICS_A_BATCH])

    def _complete_params(self, description: RunDescription, completion: Completion) -> None:
        run_id = self._run_of(description, completion.started_at)
        held = self._client.get_run(run_id).data.params
        if any(held.get(key, value) != value for key, value in completion.params.items()):
            # A repeated search has chosen another candidate, and MLflow cannot change a parameter.
            run_id = self._recreate_run(description, run_id, completion.started_at, before_step=0)
        self._log_params(run_id, completion.params)

    def _run_of(self, description: RunDescription, started_at: float) -> str:
        """The run, described; found or created once, then remembered."""
        if description.identity in self._run_ids:
            return self._run_ids[description.identity]
        above = self.parent_id if description.below is None else self._run_of(description.below, started_at)
        name = description.tags[payload.RUN_NAME]
        with exclusive_lock(self._lock):
            run_id = find_or_create(
                self._client, self.experiment_id, description.identity, {PARENT: above}, name, started_at
            )
        self._log_params(run_id, description.params)
        tags = {**self._with_links(description.tags), PARENT: above, payload.STORE: str(self._store_root)}
        self._client.log_batch(run_id, tags=_run_tags(tags))
        self._client.log_inputs(run_id, datasets=[_dataset(description.data)])
        self._run_ids[description.identity] = run_id
        return run_id

    def link_notes(self) -> dict[str, str]:
        """Updates the links in all notes: some runs were recreated, some created late.

        Returns the run's id of each generation.
        """
        runs = all_of(self._client, self.experiment_id, payload.GENERATION)
        run_ids = {generation_id: str(run.info.run_id) for generation_id, run in runs.items()}
        ensembles = all_of(self._client, self.experiment_id, payload.ENSEMBLE)
        for run in (*runs.values(), *ensembles.values()):
            note = run.data.tags.get(payload.NOTE, "")
            linked = with_links(note, run_ids.get, self.experiment_id, self._store_root)
            if linked != note:
                self._client.set_tag(run.info.run_id, payload.NOTE, linked)
        return run_ids

    def _with_links(self, tags: Mapping[str, str]) -> Mapping[str, str]:
        """The tags with links to the runs that this object knows; `link_notes` sets the others."""
        if payload.NOTE not in tags:
            return tags
        known = {key: run_id for (kind, key), run_id in self._run_ids.items() if kind == payload.GENERATION}
        note = with_links(tags[payload.NOTE], known.get, self.experiment_id, self._store_root)
        return {**tags, payload.NOTE: note}

    def _log_params(self, run_id: str, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        logged = [Param(key, value) for key, value in params.items()]
        for first in range(0, len(logged), _PARAMS_A_BATCH):
            self._client.log_batch(run_id, params=logged[first : first + _PARAMS_A_BATCH])


def is_superseded(key: str, held: Iterable[tuple[int, int]], points: Sequence[Point]) -> bool:
    """Whether `points` supersede `held`, the steps and timestamps that a run has of the metric `key`.

    An epoch that is sent again keeps its timestamp; a retrained one has another. A training ends only once, at any
    step.
    """
    sent = {point.step: point.timestamp_ms for point in points if point.key == key}
    if key == END_WITNESS and sent:
        return any(sent.get(step) != timestamp_ms for step, timestamp_ms in held)
    return any(sent.get(step, timestamp_ms) != timestamp_ms for step, timestamp_ms in held)


def _experiment(client: MlflowClient, name: str, artifact_location: str | None) -> str:
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(client.create_experiment(name, artifact_location, {_KIND: _TRAINING}))
        except MlflowException:
            # Another sweep of this name may have created it just now.
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    if _KIND not in experiment.tags:
        client.set_experiment_tag(experiment.experiment_id, _KIND, _TRAINING)
    return str(experiment.experiment_id)


def _run_tags(tags: Mapping[str, str]) -> list[RunTag]:
    from mlflow.entities import RunTag

    return [RunTag(key, value) for key, value in tags.items()]


def _dataset(data: DataIdentity) -> DatasetInput:
    """The data set by its content; the path of its files does not matter."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=data.kind,
        digest=payload.data_digest(data),
        source_type="bansweep",
        source=json.dumps({"kind": data.kind, "fingerprint": data.fingerprint}),
        profile=json.dumps(data.model_dump(mode="json", exclude={"kind", "fingerprint"}, exclude_none=True)),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])
