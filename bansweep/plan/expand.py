"""SweepSpec -> Plan: every cell of the table, with equal generations told by their ids and kept once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter

from bansweep.plan.generation import DataIdentity, Generation
from bansweep.plan.plan import Cell, EnsembleCell, Plan, PlannedChain
from bansweep.plan.seeds import effective_seed
from bansweep.spec.data import is_text
from bansweep.spec.selection import Select, metric_for
from bansweep.spec.signed_zeros import without_negative_zeros
from bansweep.spec.sweep import Column, Row, SweepSpec


def expand(sweep: SweepSpec, data: DataIdentity) -> Plan:
    """The plan of a valid sweep on the data set that `data` identifies, with normalised ids."""
    return _expanded(without_negative_zeros(sweep), data)


def expansions(sweep: SweepSpec, data: Sequence[DataIdentity]) -> Iterator[Plan]:
    """The same plan under each set of ids that the sweep has or had, the normalised ids first.

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


def keeping_all_candidates(sweep: SweepSpec, plan: Plan) -> frozenset[str]:
    """The searched generations of which all candidates stay in the store, beside the winner."""
    searches = {name: sweep.search_in(column) for name, column in sweep.generations.items()}
    keeping = {name for name, search in searches.items() if search is not None and search.keep == "all"}
    return frozenset(cell.generation_id for cell in plan.cells if cell.column in keeping)


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
        # What is kept of the losers (`keeping_all_candidates`) changes nothing that is learnt.
        search=None if search is None else search.model_copy(update={"keep": "winner"}),
        select=select,
    )
