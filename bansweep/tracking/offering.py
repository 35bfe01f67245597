"""Telling MLflow of the models of a finished sweep: every generation, then the best of each chain."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from bansweep.plan.plan import Plan
from bansweep.tracking import payload
from bansweep.tracking.chains import best_of, chains_of
from bansweep.tracking.completion import completed_generation
from bansweep.tracking.models import SweepModels
from bansweep.tracking.protocol import FinishedGeneration


def offer_models(
    models: SweepModels,
    plan: Plan,
    items: Sequence[FinishedGeneration],
    run_ids: dict[str, str],
    known: dict[str, str],
    abandoned: threading.Event,
) -> None:
    """Complete the models of `items`, whose runs are `run_ids`; those whose digests are in `known` are left alone.

    `known` is brought up to date, by the ids of generations and the names of registered models. Stops early once
    `abandoned` is set. May raise whatever MLflow's client raises.
    """
    told = {item.generation_id: item for item in items if item.generation_id in run_ids}
    digests: dict[str, str] = {}
    for generation_id, item in told.items():
        if abandoned.is_set():
            return
        description = payload.describe(plan, generation_id)
        completion = completed_generation(description, item)
        digests[generation_id] = payload.digest_of([run_ids[generation_id], description.digest, completion.digest])
        if known.get(generation_id) != digests[generation_id]:
            models.log(description, completion, run_ids[generation_id])
            known[generation_id] = digests[generation_id]
    metrics = {generation_id: item.metrics for generation_id, item in told.items()}
    for chain in chains_of(plan):
        best = best_of(chain, metrics)
        if best is None:
            continue
        digest = payload.digest_of([digests[best.generation_id], best.metric, best.value, best.chosen_from])
        if abandoned.is_set() or known.get(chain.model) == digest:
            continue
        run_id = run_ids[best.generation_id]
        description = payload.describe(plan, best.generation_id)
        completion = completed_generation(description, told[best.generation_id])
        models.register(chain, best, description, completion, models.log(description, completion, run_id))
        known[chain.model] = digest
