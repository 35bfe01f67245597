"""What the store says of generations and ensembles: the figures of a metric, by the names that they have in records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from bansweep.errors import DamagedError, StoreError
from bansweep.plan.plan import Plan
from bansweep.report.ensemble import ensemble_error
from bansweep.report.metrics import PERPLEXITY, Metric
from bansweep.report.results import FinishedGenerations
from bansweep.report.token_ensemble import ensemble_perplexities
from bansweep.store.predictions import Predictions, TokenPredictions

Figures = Mapping[str, float]
_P = TypeVar("_P", Predictions, TokenPredictions)


def recorded_figures(plan: Plan, metric: Metric, store: FinishedGenerations) -> dict[str, Figures]:
    """Generation id -> its figures, for the finished and undamaged ones. Raises StoreError for records without one."""
    figures: dict[str, Figures] = {}
    for generation_id in plan.generations:
        try:
            record = store.record(generation_id)
        except DamagedError:
            continue
        if record is not None:
            figures[generation_id] = {
                split.recorded_as: _figure(plan, generation_id, record.metrics, split.recorded_as)
                for split in metric.splits
            }
    return figures


def ensemble_figures(metric: Metric, members: Sequence[str], store: FinishedGenerations) -> Figures | None:
    """The figures of an ensemble of finished generations; None where a member's predictions are damaged.

    Raises StoreError for members that do not predict the same data.
    """
    figures: tuple[float, ...]
    try:
        if metric == PERPLEXITY:
            figures = ensemble_perplexities(
                (member, _predictions(TokenPredictions, member, store)) for member in members
            )
        else:
            figures = (ensemble_error((member, _predictions(Predictions, member, store)) for member in members),)
    except DamagedError:
        return None
    return {split.recorded_as: figure for split, figure in zip(metric.splits, figures, strict=True)}


def _figure(plan: Plan, generation_id: str, metrics: Mapping[str, float], name: str) -> float:
    if name not in metrics:
        raise StoreError(
            f"the record of generation {generation_id} ({plan.label(generation_id)}) has no {name!r}",
            remedy=_trained_again(generation_id),
        )
    return float(metrics[name])


def _predictions(kind: type[_P], generation_id: str, store: FinishedGenerations) -> _P:
    predictions = store.predictions(generation_id)
    if not isinstance(predictions, kind):
        raise StoreError(
            f"the predictions of generation {generation_id} are {type(predictions).__name__}, not {kind.__name__}",
            remedy=_trained_again(generation_id),
        )
    return predictions


def _trained_again(generation_id: str) -> str:
    return f"move generations/{generation_id} of the store away; the next run trains it again"
