"""From the store to the tracker: finished generations and ensembles that MLflow should hold."""

from __future__ import annotations

from collections.abc import Iterator

from bansweep.errors import DamagedError
from bansweep.graph.plan import Plan
from bansweep.graph.results import CandidateResult
from bansweep.report.table import ReportTable
from bansweep.service.request import local_folder
from bansweep.store.records import GenerationRecord, candidate_results
from bansweep.store.store import Store
from bansweep.tracking.mlflow_tracker import MlflowTracker
from bansweep.tracking.protocol import FinishedEnsemble, FinishedGeneration, Tracker
from bansweep.tracking.tracking_uri import tracking_uri


def tracker_of(store: Store, sweep: str, *, thorough: bool = False) -> Tracker:
    """The tracker of a sweep: `MLFLOW_TRACKING_URI`, or the store's own database. A `thorough` one always asks it."""
    folder = local_folder(store)
    return MlflowTracker(tracking_uri(folder), store_root=folder, sweep=sweep, thorough=thorough)


def finished_generations(plan: Plan, store: Store) -> Iterator[FinishedGeneration]:
    """Everything finished and undamaged of a plan, read from the store."""
    for generation_id in plan.generations:
        try:
            record = store.record(generation_id)
            history = store.history(generation_id) if record is not None else ()
            candidates = _candidates(record, store) if record is not None else ()
        except DamagedError:
            continue  # the report shows it
        if record is not None:
            yield FinishedGeneration(
                generation_id=generation_id,
                generation=record.generation,
                parameters=record.parameters,
                metrics=record.metrics,
                history=history,
                started_at=record.started_at,
                finished_at=record.finished_at,
                training_seconds=record.training_seconds,
                selected_epoch=record.selected_epoch,
                candidates=candidates,
                winner=None if record.winner is None else record.winner - 1,
            )


def finished_ensembles(plan: Plan, table: ReportTable) -> Iterator[FinishedEnsemble]:
    """The ensembles of a plan that have figures in its `table`."""
    for one in plan.ensembles:
        metrics = {}
        for split in table.metric.splits:
            cell = table.cell(one.row, one.column + split.suffix)
            value = None if cell is None else cell.values[table.seeds.index(one.replica_seed)]
            if value is not None:
                metrics[split.recorded_as] = value
        if metrics:
            yield FinishedEnsemble(one.row, one.column, one.replica_seed, one.members, metrics)


def _candidates(record: GenerationRecord, store: Store) -> tuple[CandidateResult, ...]:
    return candidate_results(record, store.candidate_histories(record.id)) if record.candidates else ()
