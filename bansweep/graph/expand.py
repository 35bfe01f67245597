"""From a sweep to its plan, under the ids that a store already has for the same trainings.

An earlier version gave the same training several ids, such as one with `limit` equal to the whole set. What a store
holds under such a former id keeps it, and its students get ids that descend from it. So nothing is retrained, and a
lookup of any id of the plan finds what the store has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Sequence
from graphlib import TopologicalSorter
from typing import Protocol

from bansweep.config.base import without_negative_zeros
from bansweep.config.data import is_text
from bansweep.config.sweep import Column, Row, Select, SweepSpec, metric_for
from bansweep.graph.generation import DataIdentity, Generation, effective_seed
from bansweep.graph.plan import Cell, EnsembleCell, Plan, PlannedChain


def expand(sweep: SweepSpec, data: DataIdentity) -> Plan:
    """The plan of a valid sweep on the data set that `data` identifies, with normalised ids."""
    return _expanded(without_negative_zeros(sweep), data)


def expansions(sweep: SweepSpec, data: Sequence[DataIdentity]) -> Iterator[Plan]:
    """The same plan under each set of ids that a version gives or gave the sweep, the normalised ids first.

    `data` are the identities of the sweep's data set, the normalised one first. All plans have the same cells,
    ensembles and chains in the same order; only ids differ.
    """
    normalised = without_negative_zeros(sweep)
    for spelling in (normalised,) if normalised is sweep else (normalised, sweep):
        for identity in data:
            yield _expanded(spelling, identity)


def _expanded(sweep: SweepSpec, data: DataIdentity) -> Plan:
    generations: dict[str, Generation] = {}
    cells: list[Cell] = []
    ensembles: list[EnsembleCell] = []
    chains: list[PlannedChain] = []
    metric = metric_for(sweep.select, text=is_text(sweep.data))
    order = _teachers_first(sweep)
    for replica_seed in sweep.seeds:
        for row in sweep.networks:
            ids: dict[str, str] = {}
            for name in order:
                column = sweep.generations[name]
                if row.name in column.skip:
                    continue
                teacher = generations[ids[column.teacher]] if column.teacher is not None else None
                generation = _generation(sweep, data, row, column, teacher, replica_seed)
                ids[name] = generation.id
                generations.setdefault(generation.id, generation)
            cells += [Cell(row.name, name, replica_seed, ids[name]) for name in sweep.generations if name in ids]
            ensembles += [
                EnsembleCell(
                    row.name, name, replica_seed, tuple(ids[member] for member in ensemble.members_in(row.name))
                )
                for name, ensemble in sweep.ensembles.items()
            ]
            chains += [
                PlannedChain(
                    name=chain.name,
                    row=row.name,
                    replica_seed=replica_seed,
                    teacher=ids[chain.teacher],
                    columns=chain.columns,
                    members=tuple(ids[column] for column in chain.columns),
                    ensemble=chain.ensemble_column,
                    stop=chain.stop,
                    metric=metric,
                )
                for chain in sweep.chain
                if chain.teacher in ids
            ]
    return Plan(
        sweep=sweep.name,
        rows=tuple(row.name for row in sweep.networks),
        columns=(*sweep.generations, *sweep.ensembles),
        generations=generations,
        cells=tuple(cells),
        ensembles=tuple(ensembles),
        chains=tuple(chains),
    )


def _teachers_first(sweep: SweepSpec) -> list[str]:
    """Column names, teachers before students, otherwise in the file's order."""
    sorter = TopologicalSorter(
        {name: [column.teacher] if column.teacher is not None else [] for name, column in sweep.generations.items()}
    )
    return list(sorter.static_order())


def _generation(
    sweep: SweepSpec, data: DataIdentity, row: Row, column: Column, teacher: Generation | None, replica_seed: int
) -> Generation:
    index = 0 if teacher is None else teacher.generation_index + 1
    search = sweep.search_in(column)
    select = Select()
    if search is not None or sweep.select.epoch == "best":
        select = Select(metric=metric_for(sweep.select, text=is_text(sweep.data)), epoch=sweep.select.epoch)
    return Generation(
        network=column.network_in(row),
        loss=column.loss,
        shared_layers=column.shared_layers,
        recipe=sweep.recipe_in(row),
        data=data,
        precision=sweep.resources.precision,
        seed=effective_seed(replica_seed, column.seed, index),
        generation_index=index,
        teacher=None if teacher is None else teacher.id,
        # Which candidates stay in the store (`keeping_all_candidates`) is not part of what is learnt.
        search=None if search is None else search.model_copy(update={"keep": "winner"}),
        select=select,
    )


def keeping_all_candidates(sweep: SweepSpec, plan: Plan) -> frozenset[str]:
    """The searched generations all of whose candidates stay in the store, beside the winner."""
    searches = {name: sweep.search_in(column) for name, column in sweep.generations.items()}
    keeping = {name for name, search in searches.items() if search is not None and search.keep == "all"}
    return frozenset(cell.generation_id for cell in plan.cells if cell.column in keeping)


class StoredIds(Protocol):
    """The ids that a store holds: the part of `bansweep.store.store.Store` that is needed here."""

    def present(self) -> frozenset[str]: ...

    def begun(self) -> frozenset[str]: ...

    def finished(self, generation_ids: Iterable[str], /) -> frozenset[str]: ...


def as_stored(plans: Iterator[Plan], store: StoredIds) -> Plan:
    """The plan of a sweep with the ids under which the store holds its generations.

    `plans` are those of `expansions`; the first, normalised one is the default. The choice is made for each
    label-trained generation with all its descendants: they get the ids of the plan under which most of them are
    finished, then under which most have begun, then of the earlier plan. Raises what the store raises.
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
