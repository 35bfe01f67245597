"""Where chains end: generations improve on each other for a while, and then stop improving (table 2 of the paper)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bansweep.config.chain import Stop
from bansweep.graph.plan import Plan, PlannedChain
from bansweep.graph.results import comparable, exceeds


@dataclass(frozen=True)
class ChainEnd:
    """A chain that stopped improving: `values` are those of its teacher and of the generations that were trained."""

    chain: PlannedChain
    values: tuple[float, ...]

    @property
    def length(self) -> int:
        """How many generations of the chain were trained."""
        return len(self.values) - 1

    @property
    def last(self) -> str:
        """The id of the last generation that was trained."""
        return self.chain.members[self.length - 1]

    @property
    def best(self) -> int:
        """The best generation's place in the chain; 0 is the teacher of the first one."""
        return min(range(len(self.values)), key=lambda place: comparable(self.values[place]))


def ends_after(values: Sequence[float], stop: Stop) -> int | None:
    """After how many generations a chain ends, given the values (lower is better) of its teacher and of those that are
    finished, in order; None while it continues."""
    best, waited = comparable(values[0]), 0
    for number, value in enumerate(values[1:], start=1):
        better = exceeds(best - stop.min_delta, comparable(value)) if stop.min_delta else comparable(value) < best
        if better:
            best, waited = value, 0
        else:
            waited += 1
        if waited == stop.patience:
            return number
    return None


def chain_ends(plan: Plan, metrics: Mapping[str, Mapping[str, float]]) -> tuple[ChainEnd, ...]:
    """The chains that ended before their length, by the metrics of finished generations (id -> name -> value)."""
    return tuple(end for chain in plan.chains if (end := chain_end(chain, metrics)) is not None)


def chain_end(chain: PlannedChain, metrics: Mapping[str, Mapping[str, float]]) -> ChainEnd | None:
    """The end of a chain by the metrics of finished generations; None while it continues, or at its full length."""
    if chain.stop is None:
        return None
    values = []
    for generation_id in (chain.teacher, *chain.members):
        value = metrics.get(generation_id, {}).get(chain.metric)
        if value is None:
            break
        values.append(value)
    length = ends_after(values, chain.stop) if values else None
    if length is None or length == len(chain.members):
        return None
    return ChainEnd(chain, tuple(values[: length + 1]))


def without_ended(plan: Plan, ends: Sequence[ChainEnd]) -> Plan:
    """The plan without the generations after the ends of chains, except those that something else needs.

    A chain's ensemble then has only the generations before its end.
    """
    dropped = {
        (end.chain.row, end.chain.replica_seed, name) for end in ends for name in end.chain.columns[end.length :]
    }
    if not dropped:
        return plan
    end_of = {(end.chain.row, end.chain.replica_seed, end.chain.ensemble): end for end in ends}
    cells = tuple(cell for cell in plan.cells if (cell.row, cell.replica_seed, cell.column) not in dropped)
    ensembles = []
    for ensemble in plan.ensembles:
        end = end_of.get((ensemble.row, ensemble.replica_seed, ensemble.column))
        if end is not None:
            trained = end.chain.members[: end.length]
            ensemble = dataclasses.replace(ensemble, members=tuple(one for one in ensemble.members if one in trained))
        ensembles.append(ensemble)
    return plan.part(cells, ensembles)


def not_needed(plan: Plan, ends: Sequence[ChainEnd]) -> dict[str, str]:
    """The generations that are dropped after the ends of chains, each with the last one that counts."""
    needed = without_ended(plan, ends).generations
    causes = {member: end.last for end in ends for member in end.chain.members[end.length :]}
    dropped: dict[str, str] = {}
    for generation_id, generation in plan.generations.items():
        if generation_id not in needed:
            # The students of a dropped generation are dropped as well, for the same cause.
            dropped[generation_id] = causes.get(generation_id) or dropped[str(generation.teacher)]
    return dropped
