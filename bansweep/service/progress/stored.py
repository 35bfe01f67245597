"""Where a sweep stands as its store tells it: what another process has done so far."""

from __future__ import annotations

import time
from collections import Counter
from typing import get_args

from bansweep.plan.metric_text import figure_text, name_text
from bansweep.plan.time_left import sweep_time_left
from bansweep.service.generation_states import GenerationStates, State
from bansweep.service.progress.pace import sweep_pace
from bansweep.service.progress.standing import (
    GenerationStanding,
    SweepStanding,
    TrainingStanding,
    standing_rows,
    within_row,
)
from bansweep.service.request import SweepRequest
from bansweep.store.records import GenerationRecord


def stored_standing(request: SweepRequest, states: GenerationStates) -> SweepStanding:
    """The tree's content. How many run at a time, and which epoch is under way, only the process that trains knows."""
    generations = {one: _generation(request, states, one) for one in request.plan.generations}
    return SweepStanding(
        rows=standing_rows(request.plan, generations),
        counts=counts_text(request, states),
        time_left_s=_time_left_s(request, states),
        at_least=True,
        at=time.time(),
    )


def counts_text(request: SweepRequest, states: GenerationStates) -> str:
    """`quickstart: 3 finished, 1 started, 2 waiting`."""
    amounts = Counter({"finished": 0, "started": 0, "waiting": 0})
    amounts.update(states.by_id.values())
    told = [f"{amounts[state]} {state}" for state in get_args(State) if state in amounts]
    return f"{request.plan.sweep}: {', '.join(told)}"


def candidates_text(counts: dict[str, int], size: int) -> str:
    """`3 of 8 candidates through (1 finished, 2 pruned), 2 begun`."""
    ended = {outcome: amount for outcome, amount in counts.items() if outcome != "running" and amount}
    parts = ", ".join(f"{amount} {outcome}" for outcome, amount in ended.items())
    through = f"{sum(ended.values())} of {size} candidates through" + (f" ({parts})" if parts else "")
    return f"{through}, {counts.get('running', 0)} begun"


def _generation(request: SweepRequest, states: GenerationStates, generation_id: str) -> GenerationStanding:
    generation, state = request.plan.generations[generation_id], states.by_id[generation_id]
    label = within_row(request.plan, generation_id)
    if state == "finished":
        return GenerationStanding(label, state, remark=_result_text(states.records[generation_id]))
    if state != "started":
        return GenerationStanding(label, state)
    if generation.search is not None:
        counts = request.store.search_counts(generation_id)
        return GenerationStanding(label, state, remark=candidates_text(counts, generation.search.size), searches=True)
    training = TrainingStanding(label, request.store.epochs_done(generation_id), generation.recipe.epochs)
    return GenerationStanding(label, state, (training,))


def _result_text(record: GenerationRecord) -> str:
    """`test error 4.17 %`: what tables have of it."""
    known = [name for name in ("test_error", "test_perplexity") if name in record.metrics]
    return f"{name_text(known[0])} {figure_text(known[0], record.metrics[known[0]])}" if known else ""


def _time_left_s(request: SweepRequest, states: GenerationStates) -> float | None:
    """By what the store's generations took; None where none says anything of those that are left."""
    plan, store = request.plan, request.store
    pace = sweep_pace(request.spec, plan, states.records.values())
    left = {one: _epochs_left(request, states, one) for one in states.unfinished}
    unbounded = max(1, sum(map(len, left.values())))
    return sweep_time_left(plan, left, pace.epoch_seconds(plan, {}), at_a_time=unbounded) if store.exists else None


def _epochs_left(request: SweepRequest, states: GenerationStates, generation_id: str) -> tuple[int, ...]:
    """Of each training; of a search those that are not through count whole."""
    generation, started = request.plan.generations[generation_id], states.by_id[generation_id] == "started"
    if generation.search is None:
        done = request.store.epochs_done(generation_id) if started else 0
        return (max(0, generation.recipe.epochs - done),)
    counts = request.store.search_counts(generation_id) if started else {}
    through = sum(amount for outcome, amount in counts.items() if outcome != "running")
    return (generation.recipe.epochs,) * max(0, generation.search.size - through)
