"""How far each generation of a plan is, by what the store holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from bansweep.errors import DamagedError
from bansweep.plan.chains import ChainEnd, chain_ends, without_ended
from bansweep.plan.plan import Plan
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store

State = Literal["finished", "started", "waiting", "damaged", "not needed"]


def generation_states(graph: Plan, store: Store) -> dict[str, State]:
    """Every generation's id -> whether it is finished, has progress to go on from, waits, or is not needed any more.

    A finished one whose record is not what was published is "damaged"; one that a chain has ended before is "not
    needed". Raises StoreError where a record cannot be read at all.
    """
    needed = without_ended(graph, ended_chains(graph, store)).generations
    # One look at the directory for all that have not begun: there may be thousands of them.
    begun = store.begun()
    return {
        generation_id: _state(store, generation_id, needed=generation_id in needed, begun=generation_id in begun)
        for generation_id in graph.generations
    }


def ended_chains(graph: Plan, store: Store) -> tuple[ChainEnd, ...]:
    """The chains that stopped improving before their length, by what is finished."""
    metrics: dict[str, Mapping[str, float]] = {}
    for chain in graph.chains:
        if chain.stop is None:
            continue
        for generation_id in (chain.teacher, *chain.members):
            if generation_id not in metrics:
                record = _undamaged(store, generation_id)
                if record is None:
                    break  # without its figures nothing is told of the chain beyond it
                metrics[generation_id] = record.metrics
    return chain_ends(graph, metrics)


def _undamaged(store: Store, generation_id: str) -> GenerationRecord | None:
    try:
        return store.record(generation_id)
    except DamagedError:
        return None


def _state(store: Store, generation_id: str, *, needed: bool, begun: bool) -> State:
    try:
        if store.record(generation_id) is not None:
            return "finished"
    except DamagedError:
        return "damaged"
    if not needed:
        return "not needed"
    if begun and (store.epochs_done(generation_id) or store.search_counts(generation_id)):
        return "started"
    return "waiting"
