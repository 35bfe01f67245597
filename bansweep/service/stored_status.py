"""The status of a sweep from its store alone, and the pace of earlier trainings."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import get_args

from bansweep.config.sweep import SweepSpec
from bansweep.data.size import data_size
from bansweep.errors import StoreError
from bansweep.formatting import duration_text, named_figure_text
from bansweep.graph.generation import Generation
from bansweep.graph.operations import Images
from bansweep.graph.plan import Plan
from bansweep.graph.time_left import epoch_operations, epoch_seconds, sweep_time_left
from bansweep.graph.workload import DataSize, TeacherStorage
from bansweep.service.generation_states import GenerationStates, State
from bansweep.service.request import SweepRequest
from bansweep.service.sweep_status import (
    GenerationStatus,
    SweepStatus,
    TrainingStatus,
    row_statuses,
    within_row,
)
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store


def stored_status(request: SweepRequest, states: GenerationStates) -> SweepStatus:
    """The tree's content. Only the training process knows how many run at a time and the current epoch."""
    generations = {one: _generation(request, states, one) for one in request.plan.generations}
    return SweepStatus(
        rows=row_statuses(request.plan, generations),
        counts=counts_text(request, states),
        time_left_s=_time_left_s(request, states),
        at_least=True,
        at=time.time(),
    )


def _generation(request: SweepRequest, states: GenerationStates, generation_id: str) -> GenerationStatus:
    generation, state = request.plan.generations[generation_id], states.by_id[generation_id]
    label = within_row(request.plan, generation_id)
    if state == "finished":
        return GenerationStatus(label, state, remark=_result_text(states.records[generation_id]))
    if state != "started":
        return GenerationStatus(label, state)
    if generation.search is not None:
        counts = request.store.search_counts(generation_id)
        return GenerationStatus(label, state, remark=candidates_text(counts, generation.search.size), searches=True)
    training = TrainingStatus(label, request.store.epochs_done(generation_id), generation.recipe.epochs)
    return GenerationStatus(label, state, (training,))


def _result_text(record: GenerationRecord) -> str:
    """`test error 4.17 %`: the figure in tables."""
    known = [name for name in ("test_error", "test_perplexity") if name in record.metrics]
    return named_figure_text(known[0], record.metrics[known[0]]) if known else ""


def _time_left_s(request: SweepRequest, states: GenerationStates) -> float | None:
    """By the times of the store's generations; None where they give no estimate for the remaining ones."""
    plan, store = request.plan, request.store
    pace = sweep_pace(request.spec, plan, states.records.values())
    left = {one: _epochs_left(request, states, one) for one in states.unfinished}
    unbounded = max(1, sum(map(len, left.values())))
    return sweep_time_left(plan, left, pace.epoch_seconds(plan, {}), at_a_time=unbounded) if store.exists else None


def _epochs_left(request: SweepRequest, states: GenerationStates, generation_id: str) -> tuple[int, ...]:
    """The epochs left of each training; unfinished candidates of a search count in full."""
    generation, started = request.plan.generations[generation_id], states.by_id[generation_id] == "started"
    if generation.search is None:
        done = request.store.epochs_done(generation_id) if started else 0
        return (max(0, generation.recipe.epochs - done),)
    counts = request.store.search_counts(generation_id) if started else {}
    through = sum(amount for outcome, amount in counts.items() if outcome != "running")
    return (generation.recipe.epochs,) * max(0, generation.search.size - through)


def counts_text(request: SweepRequest, states: GenerationStates) -> str:
    """`quickstart: 3 finished, 1 started, 2 waiting`."""
    amounts = Counter({"finished": 0, "started": 0, "waiting": 0})
    amounts.update(states.by_id.values())
    parts = [f"{amounts[state]} {state}" for state in get_args(State) if state in amounts]
    return f"{request.plan.sweep}: {', '.join(parts)}"


def candidates_text(counts: dict[str, int], size: int) -> str:
    """`3 of 8 candidates through (1 finished, 2 pruned), 2 begun`."""
    ended = {outcome: amount for outcome, amount in counts.items() if outcome != "running" and amount}
    parts = ", ".join(f"{amount} {outcome}" for outcome, amount in ended.items())
    through = f"{sum(ended.values())} of {size} candidates through" + (f" ({parts})" if parts else "")
    return f"{through}, {counts.get('running', 0)} begun"


@dataclass(frozen=True)
class Pace:
    """`operations`: multiply-adds of an epoch of each generation; `stored`: seconds of one, of those in the store."""

    data: DataSize | None = None
    operations: Mapping[str, float] = field(default_factory=dict)
    stored: Mapping[str, float] = field(default_factory=dict)

    def epoch_seconds(self, plan: Plan, measured: Mapping[str, float]) -> dict[str, float]:
        """Seconds per epoch by generation. Once epochs of this run are `measured`, times in the store are ignored:
        other machines may have trained them."""
        return epoch_seconds(plan, measured or self.stored, self.operations)

    def speed_text(self, trained: Generation, epoch_s: float | None) -> str:
        """`1,240 images/s`: training samples an epoch by all of its seconds, evaluation included; where the size of the
        data is unknown `8.3 s an epoch`; nothing where the time is."""
        if not epoch_s:
            return ""
        if self.data is None:
            return f"{duration_text(epoch_s)} an epoch"
        unit = "images" if isinstance(self.data.inputs, Images) else "tokens"
        batch_size = trained.recipe.batch_size
        rate = self.data.training // batch_size * batch_size / epoch_s
        return f"{rate:,.0f} {unit}/s" if rate >= 10 else f"{rate:.1f} {unit}/s"


def sweep_pace(spec: SweepSpec, plan: Plan, records: Iterable[GenerationRecord]) -> Pace:
    """The pace from the data's size, if known, and the `records` of finished generations."""
    fingerprint = next(iter(plan.generations.values())).data.fingerprint
    data = data_size(spec.data, fingerprint)
    storage = TeacherStorage.of_gigabytes(spec.resources.teacher_memory_gb, spec.resources.teacher_disk_gb)
    stored = {record.id: record.training_seconds / record.trained.recipe.epochs for record in records}
    return Pace(data, epoch_operations(plan, data, storage), stored)


def readable_records(store: Store, generation_ids: Iterable[str]) -> Iterator[GenerationRecord]:
    """The records that exist and can be read, for uses that can do without the others."""
    for generation_id in generation_ids:
        with suppress(StoreError):
            record = store.record(generation_id)
            if record is not None:
                yield record
