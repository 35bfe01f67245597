"""The histories of a plan's students that have diagnostics, as the store holds them now."""

from __future__ import annotations

from collections.abc import Sequence

from bansweep.errors import DamagedError
from bansweep.plan.events import EpochReport
from bansweep.plan.plan import Plan
from bansweep.report.diagnostics import has_diagnostics
from bansweep.report.results import FinishedGenerations


def recorded_diagnostics(plan: Plan, store: FinishedGenerations) -> dict[str, Sequence[EpochReport]]:
    """Generation id -> history, for the finished ones that have a teacher and recorded something about it.

    Unfinished and damaged generations are left out: a plot of the others is worth having. Raises StoreError where the
    store cannot be read at all.
    """
    histories: dict[str, Sequence[EpochReport]] = {}
    for generation_id, generation in plan.generations.items():
        if generation.teacher is None:
            continue
        try:
            if store.record(generation_id) is None:
                continue
            history = store.history(generation_id)
        except DamagedError:
            continue
        if has_diagnostics(history):
            histories[generation_id] = history
    return histories
