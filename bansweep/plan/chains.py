"""Where chains end: generations improve on each other for a while, and then no more (table 2 of the paper)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bansweep.plan.plan import Plan, PlannedChain
from bansweep.spec.chain import Stop


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
        return min(range(len(self.values)), key=self.values.__getitem__)


def ends_after(values: Sequence[float], stop: Stop) -> int | None:
    """After how many generations a chain ends, given the values (lower is better) of its teacher and of those that are
    finished, in order; None where it goes on."""
    best, waited = _comparable(values[0]), 0
    for number, value in enumerate(values[1:], start=1):
        if _comparable(value) < best - stop.min_delta:
            best, waited = value, 0
        else:
            waited += 1
        if waited == stop.patience:
            return number
    return None


def deciding(plan: Plan) -> frozenset[str]:
    """The generations by whose metrics it is told where chains end: of others nobody has to know them."""
    return frozenset(
        generation_id
        for chain in plan.chains
        if chain.stop is not None
        for generation_id in (chain.teacher, *chain.members)
    )


def chain_ends(plan: Plan, metrics: Mapping[str, Mapping[str, float]]) -> tuple[ChainEnd, ...]:
    """The chains that ended before their length, by the metrics of finished generations (id -> name -> value)."""
    return tuple(end for chain in plan.chains if (end := chain_end(chain, metrics)) is not None)


def chain_end(chain: PlannedChain, metrics: Mapping[str, Mapping[str, float]]) -> ChainEnd | None:
    """The end of a chain by the metrics of finished generations; None where it goes on, or has its whole length."""
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
    """The plan without what ended chains would have had further on, but for generations that something else needs.

    A chain's ensemble is then one of the generations that it has.
    """
    gone = {(end.chain.row, end.chain.replica_seed, name) for end in ends for name in end.chain.columns[end.length :]}
    if not gone:
        return plan
    own = {(end.chain.row, end.chain.replica_seed, end.chain.ensemble): end for end in ends}
    cells = tuple(cell for cell in plan.cells if (cell.row, cell.replica_seed, cell.column) not in gone)
    ensembles = []
    for ensemble in plan.ensembles:
        end = own.get((ensemble.row, ensemble.replica_seed, ensemble.column))
        if end is not None:
            kept = end.chain.members[: end.length]
            ensemble = dataclasses.replace(ensemble, members=tuple(one for one in ensemble.members if one in kept))
        ensembles.append(ensemble)
    needed = {cell.generation_id for cell in cells} | {member for ensemble in ensembles for member in ensemble.members}
    for generation_id, generation in reversed(list(plan.generations.items())):
        if generation_id in needed and generation.teacher is not None:
            needed.add(generation.teacher)
    # Whoever is needed all the same keeps the cell: a plan names every generation that it holds.
    cells = tuple(cell for cell in plan.cells if cell.generation_id in needed)
    shown = {cell.column for cell in cells} | {ensemble.column for ensemble in ensembles}
    return dataclasses.replace(
        plan,
        columns=tuple(column for column in plan.columns if column in shown),
        generations={key: value for key, value in plan.generations.items() if key in needed},
        cells=cells,
        ensembles=tuple(ensembles),
    )


def not_needed(plan: Plan, ends: Sequence[ChainEnd]) -> dict[str, str]:
    """The generations that ended chains leave out, each with the last one that counts."""
    kept = without_ended(plan, ends).generations
    causes = {member: end.last for end in ends for member in end.chain.members[end.length :]}
    left_out: dict[str, str] = {}
    for generation_id, generation in plan.generations.items():
        if generation_id not in kept:
            # Whoever was to learn from one that is left out is left out as well, for the same cause.
            left_out[generation_id] = causes.get(generation_id) or left_out[str(generation.teacher)]
    return left_out


def _comparable(value: float) -> float:
    return math.inf if math.isnan(value) else value
