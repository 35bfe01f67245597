"""The state of each generation of a plan, from the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bansweep.errors import DamagedError
from bansweep.graph.chains import ChainEnd, chain_ends, without_ended
from bansweep.graph.plan import Plan
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store

State = Literal["finished", "started", "waiting", "damaged", "not needed"]


@dataclass(frozen=True)
class GenerationStates:
    """Each generation's state by its id, in the plan's order; the chains that stopped improving (`ends`); and the
    records of finished generations."""

    by_id: Mapping[str, State]
    ends: tuple[ChainEnd, ...]
    records: Mapping[str, GenerationRecord]

    @property
    def finished(self) -> tuple[str, ...]:
        return tuple(generation_id for generation_id, state in self.by_id.items() if state == "finished")

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The ids that are still to be trained."""
        done = ("finished", "not needed")
        return tuple(generation_id for generation_id, state in self.by_id.items() if state not in done)


def generation_states(graph: Plan, store: Store) -> GenerationStates:
    """Whether each generation is finished, has progress to resume from, waits, or is not needed any more.

    A finished one whose record does not match its digest is "damaged"; one after the end of its chain is "not
    needed". Every record is read once. Raises StoreError where one cannot be read at all.
    """
    records, damaged = _records(graph.generations, store)
    ends = chain_ends(graph, _metrics(records))
    needed = without_ended(graph, ends).generations
    # One listing for all generations that have not begun: there may be thousands.
    begun = store.begun()

    def state(generation_id: str) -> State:
        if generation_id in records:
            return "finished"
        if generation_id in damaged:
            return "damaged"
        if generation_id not in needed:
            return "not needed"
        has_begun = generation_id in begun and (store.epochs_done(generation_id) or store.search_counts(generation_id))
        return "started" if has_begun else "waiting"

    return GenerationStates({generation_id: state(generation_id) for generation_id in graph.generations}, ends, records)


def ended_chains(graph: Plan, store: Store) -> tuple[ChainEnd, ...]:
    """The chains that stopped improving before their length; reads only their records."""
    chains = [chain for chain in graph.chains if chain.stop is not None]
    members = dict.fromkeys(member for chain in chains for member in (chain.teacher, *chain.members))
    records, _ = _records(members, store)
    return chain_ends(graph, _metrics(records))


def _records(generation_ids: Iterable[str], store: Store) -> tuple[dict[str, GenerationRecord], set[str]]:
    """The records of the finished ones, by id, and the ids of those with damaged records."""
    records: dict[str, GenerationRecord] = {}
    damaged = set()
    for generation_id in generation_ids:
        try:
            record = store.record(generation_id)
        except DamagedError:
            damaged.add(generation_id)
            continue
        if record is not None:
            records[generation_id] = record
    return records, damaged


def _metrics(records: Mapping[str, GenerationRecord]) -> dict[str, Mapping[str, float]]:
    return {generation_id: record.metrics for generation_id, record in records.items()}
