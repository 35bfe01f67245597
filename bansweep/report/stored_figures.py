"""Figures from the store, of generations and ensembles, and messages about damaged files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

from bansweep.errors import DamagedError, StoreError
from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.report.metrics import PERPLEXITY, Metric
from bansweep.store.parquet_tables import Predictions, TokenPredictions

_Record = TypeVar("_Record", covariant=True)

Figures = Mapping[str, float]
_P = TypeVar("_P", Predictions, TokenPredictions)


class StoredRecord(Protocol):
    """The figures of a finished generation: errors in percent, perplexities as they are."""

    @property
    def metrics(self) -> Mapping[str, float]: ...


class Records(Protocol[_Record]):
    """The records of finished generations by their ids."""

    def record(self, generation_id: str, /) -> _Record | None:
        """The record of a generation; None where it is not finished. Raises DamagedError."""
        ...


class FinishedGenerations(Protocol):
    """Finished generations by their ids. All raise DamagedError where a published file has changed."""

    def record(self, generation_id: str, /) -> StoredRecord | None:
        """The record of a generation; None where it is not finished."""
        ...

    def predictions(self, generation_id: str, /) -> Predictions | TokenPredictions:
        """The predictions of a finished generation; for a language model those of tokens."""
        ...

    def history(self, generation_id: str, /) -> Sequence[EpochReport]:
        """The report of each epoch of a finished generation."""
        ...


def intact_records(store: Records[_Record], generation_ids: Iterable[str]) -> dict[str, _Record]:
    """The records of finished and undamaged generations, by id."""
    found = {}
    for generation_id in generation_ids:
        with suppress(DamagedError):
            if (record := store.record(generation_id)) is not None:
                found[generation_id] = record
    return found


class DamageTolerantStore:
    """`store` that collects a message for each damaged file; satisfies FinishedGenerations.

    `messages` name damage and remedy, once for each file.
    """

    def __init__(self, store: FinishedGenerations) -> None:
        self._store = store
        # A dict for its order: several ensembles may ask for one file.
        self._messages: dict[str, None] = {}

    @property
    def messages(self) -> tuple[str, ...]:
        return tuple(self._messages)

    def record(self, generation_id: str, /) -> StoredRecord | None:
        try:
            return self._store.record(generation_id)
        except DamagedError as error:
            self._note(error)
            raise

    def predictions(self, generation_id: str, /) -> Predictions | TokenPredictions:
        try:
            return self._store.predictions(generation_id)
        except DamagedError as error:
            self._note(error)
            raise

    def history(self, generation_id: str, /) -> Sequence[EpochReport]:
        try:
            return self._store.history(generation_id)
        except DamagedError as error:
            self._note(error)
            raise

    def _note(self, error: DamagedError) -> None:
        self._messages["; ".join(filter(None, (error.cause, error.remedy)))] = None


def recorded_figures(plan: Plan, metric: Metric, store: FinishedGenerations) -> dict[str, Figures]:
    """Generation id -> its figures, for the finished and undamaged ones. Raises StoreError for records without one."""
    return {
        one: {split.recorded_as: _figure(plan, one, record.metrics, split.recorded_as) for split in metric.splits}
        for one, record in intact_records(store, plan.generations).items()
    }


def ensemble_figures(metric: Metric, members: Sequence[str], store: FinishedGenerations) -> Figures | None:
    """The figures of an ensemble of finished generations; None where a member's predictions are damaged.

    Raises StoreError for members that do not predict the same data.
    """
    from bansweep.report.ensemble import ensemble_error, ensemble_perplexities  # with NumPy, which commands load late

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
