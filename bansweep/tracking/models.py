"""Generations as MLflow models: a logged model for each, and a registered one for the best of each chain.

Weights stay in the store, as safetensors; models link to them by tags and hold no files. Existing models are found by
their tags and reused. Every function sends requests at once and may raise any error of MLflow's client; servers before
MLflow 3 have no logged models and refuse.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bansweep.graph.plan import Plan
from bansweep.graph.results import comparable
from bansweep.tracking import payload
from bansweep.tracking.completion import Completion, completed_generation
from bansweep.tracking.model_chains import Best, ModelChain, best_of, chains_of
from bansweep.tracking.payload import RunDescription
from bansweep.tracking.protocol import FinishedGeneration
from bansweep.tracking.sync_state import exclusive_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel


BEST = "best"
"""The alias of a chain's best generation: `models:/NAME@best`."""

RECORD = "bansweep.record"  # the digest of a generation's result: a retrained generation is another model
WEIGHTS = "bansweep.weights"
METRIC = "bansweep.metric"
VALUE = "bansweep.value"

_MODEL_TYPE = "generation"
_NO_MODEL_NAME = re.compile(r"[/:.%\"']")  # characters that MLflow refuses in names of logged models


class SweepModels:
    """The models of one sweep, which is the experiment `experiment_id`, from the store at `store_root`.

    The file `lock` prevents two processes of one machine from creating the same model at once.
    """

    def __init__(self, client: MlflowClient, experiment_id: str, store_root: Path, lock: Path) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._store_root = store_root
        self._lock = lock
        self._held: dict[str, list[LoggedModel]] | None = None  # by generation ids

    def log(self, description: RunDescription, completion: Completion, run_id: str) -> LoggedModel:
        """The logged model of a finished generation, whose run has the id `run_id`."""
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric

        tags = self._tags(description, completion)
        with exclusive_lock(self._lock):
            model = self._one_of(run_id, tags)
            is_new = model is None
            if model is None:
                name = _NO_MODEL_NAME.sub("-", description.tags[payload.RUN_NAME])
                params = dict(description.params)
                model = self._client.create_logged_model(self._experiment_id, name, run_id, tags, params, _MODEL_TYPE)
                self._models_of(tags[payload.GENERATION]).append(model)
        points = [point for point in completion.points if point.key.startswith("final_")]
        data = {"dataset_name": description.data.kind, "dataset_digest": payload.data_digest(description.data)}
        # The run has these points already; this links them to the model.
        metrics = [Metric(one.key, one.value, one.timestamp_ms, one.step, model.model_id, **data) for one in points]
        self._client.log_batch(run_id, metrics=metrics)
        # MLflow refuses an output that it has already.
        if is_new or model.model_id not in self._outputs_of(run_id):
            step = max((one.step for one in points), default=0)
            self._client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step)])
        if any(model.tags.get(key) != value for key, value in tags.items()):
            self._client.set_logged_model_tags(model.model_id, tags)
        if model.status != LoggedModelStatus.READY:
            self._client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
        return model

    def register(
        self, chain: ModelChain, best: Best, description: RunDescription, completion: Completion, model: LoggedModel
    ) -> None:
        """Sets the alias `best` of the chain's registered model to `best`, whose logged model is `model`.

        A better version that was not compared, for example because of `--only`, keeps the alias.
        """
        tags = {**self._tags(description, completion), METRIC: best.metric, VALUE: repr(best.value)}
        with exclusive_lock(self._lock):
            holder = self._holder(self._registered(chain, best.metric))
            if holder is not None and _is_better(holder, best):
                return
            version = self._version(chain.model, tags)
            if version is None:
                version = self._client.create_model_version(
                    chain.model,
                    model.artifact_location,
                    run_id=model.source_run_id,
                    tags=tags,
                    # The verdict: MLflow's tables of versions do not render Markdown.
                    description=completion.tags[payload.NOTE].partition("\n")[0].strip("*"),
                    await_creation_for=0,
                    model_id=model.model_id,
                )
                # Looked up again, because it may have been created twice.
                version = self._version(chain.model, tags) or version
            if holder is None or holder.version != version.version:
                self._client.set_registered_model_alias(chain.model, BEST, str(version.version))

    def _tags(self, description: RunDescription, completion: Completion) -> dict[str, str]:
        _, generation_id = description.identity
        kept = ("bansweep.network", "bansweep.loss", "bansweep.generation_index")
        return {
            payload.GENERATION: generation_id,
            **{key: description.tags[key] for key in kept if key in description.tags},
            RECORD: completion.digest,
            WEIGHTS: (self._store_root / "generations" / generation_id / "weights.safetensors").as_uri(),
        }

    def _models_of(self, generation_id: str) -> list[LoggedModel]:
        if self._held is None:
            self._held = {}
            token = None
            while True:
                page = self._client.search_logged_models([self._experiment_id], page_token=token)
                for model in page:
                    self._held.setdefault(model.tags.get(payload.GENERATION, ""), []).append(model)
                token = page.token
                if not token:
                    break
        return self._held.setdefault(generation_id, [])

    def _one_of(self, run_id: str, tags: Mapping[str, str]) -> LoggedModel | None:
        """The model of this training; models of earlier trainings and duplicates are deleted."""
        models = self._models_of(tags[payload.GENERATION])
        ours = [one for one in models if (one.source_run_id, one.tags.get(RECORD)) == (run_id, tags[RECORD])]
        kept = min(ours, key=lambda one: (one.creation_timestamp, one.model_id), default=None)
        for other in [one for one in models if one is not kept]:
            self._client.delete_logged_model(other.model_id)
            models.remove(other)
        return kept

    def _outputs_of(self, run_id: str) -> set[str]:
        outputs = self._client.get_run(run_id).outputs
        return {one.model_id for one in outputs.model_outputs} if outputs else set()

    def _registered(self, chain: ModelChain, metric: str) -> RegisteredModel:
        from mlflow.exceptions import MlflowException

        # By name, not by a search: some servers' search results have no aliases.
        with contextlib.suppress(MlflowException):
            return self._client.get_registered_model(chain.model)
        text = (
            f"The generations of the chain `{chain.name}` that were ever its best, by {metric.replace('_', ' ')}. "
            f"The alias `{BEST}` names the one that is. Weights stay in the store: the tag `{WEIGHTS}` says where."
        )
        try:
            return self._client.create_registered_model(chain.model, {payload.LEVEL: "chain"}, text)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            # Another process has created it just now.
            return self._client.get_registered_model(chain.model)

    def _holder(self, registered: RegisteredModel) -> ModelVersion | None:
        """The version that the alias names; None where there is none."""
        number = registered.aliases.get(BEST)
        return None if number is None else self._client.get_model_version(registered.name, str(number))

    def _version(self, name: str, tags: Mapping[str, str]) -> ModelVersion | None:
        """The version of this training of this generation; duplicates are deleted."""
        found = self._client.search_model_versions(f"name = '{name}'")
        same = [one for one in found if all(one.tags.get(key) == tags[key] for key in (payload.GENERATION, RECORD))]
        same.sort(key=lambda one: int(one.version))
        for other in same[1:]:
            self._client.delete_model_version(name, str(other.version))
        return same[0] if same else None


def _is_better(holder: ModelVersion, best: Best) -> bool:
    """Whether a version that was not compared beats `best`."""
    if holder.tags.get(payload.GENERATION) in best.chosen_from or holder.tags.get(METRIC) != best.metric:
        return False
    try:
        return comparable(float(holder.tags.get(VALUE, "nan"))) < comparable(best.value)
    except ValueError:
        return False


def register_models(
    models: SweepModels,
    plan: Plan,
    items: Sequence[FinishedGeneration],
    run_ids: dict[str, str],
    known: dict[str, str],
    abandoned: threading.Event,
) -> None:
    """Completes the models of `items`, whose runs are `run_ids`; skips those whose digests are in `known`.

    `known` is updated; its keys are ids of generations and names of registered models. Stops early once `abandoned` is
    set. May raise any error of MLflow's client.
    """
    sent = {item.generation_id: item for item in items if item.generation_id in run_ids}
    digests: dict[str, str] = {}
    for generation_id, item in sent.items():
        if abandoned.is_set():
            return
        description = payload.describe(plan, generation_id)
        completion = completed_generation(description, item)
        digests[generation_id] = payload.digest_of([run_ids[generation_id], description.digest, completion.digest])
        if known.get(generation_id) != digests[generation_id]:
            models.log(description, completion, run_ids[generation_id])
            known[generation_id] = digests[generation_id]
    metrics = {generation_id: item.metrics for generation_id, item in sent.items()}
    for chain in chains_of(plan):
        best = best_of(chain, metrics)
        if best is None:
            continue
        digest = payload.digest_of([digests[best.generation_id], best.metric, best.value, best.chosen_from])
        if abandoned.is_set() or known.get(chain.model) == digest:
            continue
        run_id = run_ids[best.generation_id]
        description = payload.describe(plan, best.generation_id)
        completion = completed_generation(description, sent[best.generation_id])
        models.register(chain, best, description, completion, models.log(description, completion, run_id))
        known[chain.model] = digest
