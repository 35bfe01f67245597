"""Ids under which a store holds generations: normalised ids, or former ids of the same training.

An earlier version gave the same training several ids, such as one with `limit` equal to the whole set. What a store
holds under such a former id keeps it, and its students get ids that descend from it. So nothing is trained again, and
a lookup of any id of the plan finds what the store has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

from bansweep.plan.generation import Generation
from bansweep.plan.plan import Plan


class StoredIds(Protocol):
    """What a store holds, as `bansweep.store.store.Store` tells it."""

    def present(self) -> frozenset[str]: ...

    def begun(self) -> frozenset[str]: ...

    def finished(self, generation_ids: Iterable[str], /) -> frozenset[str]: ...


def as_stored(plans: Iterator[Plan], store: StoredIds) -> Plan:
    """The plan of a sweep with the ids under which the store holds its generations.

    `plans` are those of `expand.expansions`, the normalised one first, which is also what is left where the store
    holds nothing. The choice is made for each label-trained generation with all its descendants: their ids are those
    of the plan under which most of them are finished, then those under which the most have begun, then the
    earlier plan's. Raises what the store raises.
    """
    first = next(plans)
    present = store.present()
    if present <= first.generations.keys() or first.generations.keys() <= present:
        return first
    every = [first, *plans]
    known = frozenset(one for plan in every for one in plan.generations) & present
    finished, begun = store.finished(known), store.begun() & known
    roots = _roots(first)
    choices = {
        root: max(every, key=lambda plan: (_count(cells, plan, finished), _count(cells, plan, begun)))
        for root, cells in _cells_by_root(first, roots).items()
    }
    if all(choice is first for choice in choices.values()):
        return first
    return _merged(first, {generation_id: choices[root] for generation_id, root in roots.items()})


def _roots(plan: Plan) -> dict[str, str]:
    """Generation id -> the id of the label-trained generation that it descends from."""
    roots: dict[str, str] = {}
    for generation_id, generation in plan.generations.items():
        roots[generation_id] = generation_id if generation.teacher is None else roots[generation.teacher]
    return roots


def _cells_by_root(plan: Plan, roots: dict[str, str]) -> dict[str, list[int]]:
    """The positions of the cells that show each label-trained generation or a descendant of it."""
    positions: dict[str, list[int]] = {}
    for position, cell in enumerate(plan.cells):
        positions.setdefault(roots[cell.generation_id], []).append(position)
    return positions


def _count(cells: Collection[int], plan: Plan, held: Collection[str]) -> int:
    return sum(plan.cells[position].generation_id in held for position in cells)


def _merged(first: Plan, choices: dict[str, Plan]) -> Plan:
    """`first` with the ids of the plan that is chosen for each of its generations."""
    cells = tuple(choices[one.generation_id].cells[position] for position, one in enumerate(first.cells))
    # Two generations under former ids may be one under normalised ids.
    renamed: dict[str, dict[str, Generation]] = {generation_id: {} for generation_id in first.generations}
    for before, after in zip(first.cells, cells, strict=True):
        generation = choices[before.generation_id].generations[after.generation_id]
        renamed[before.generation_id][after.generation_id] = generation
    return dataclasses.replace(
        first,
        generations={key: one for generations in renamed.values() for key, one in generations.items()},
        cells=cells,
        ensembles=tuple(
            dataclasses.replace(
                ensemble,
                members=tuple(
                    choices[member].ensembles[position].members[place] for place, member in enumerate(ensemble.members)
                ),
            )
            for position, ensemble in enumerate(first.ensembles)
        ),
        chains=tuple(choices[chain.teacher].chains[position] for position, chain in enumerate(first.chains)),
    )
