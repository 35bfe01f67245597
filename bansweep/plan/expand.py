"""SweepSpec -> Plan: every cell of the table, with equal generations told by their ids and kept once."""

from __future__ import annotations

from graphlib import TopologicalSorter

from bansweep.plan.generation import DataIdentity, Generation
from bansweep.plan.plan import Cell, EnsembleCell, Plan
from bansweep.plan.seeds import effective_seed
from bansweep.spec.sweep import Column, Row, SweepSpec


def expand(sweep: SweepSpec, data: DataIdentity) -> Plan:
    """The plan of a valid sweep on the data set that `data` identifies."""
    generations: dict[str, Generation] = {}
    cells: list[Cell] = []
    ensembles: list[EnsembleCell] = []
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
    return Plan(
        sweep=sweep.name,
        rows=tuple(row.name for row in sweep.networks),
        columns=(*sweep.generations, *sweep.ensembles),
        generations=generations,
        cells=tuple(cells),
        ensembles=tuple(ensembles),
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
    )
