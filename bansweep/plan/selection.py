"""`--only PATTERN`: the part of a plan that some cells need."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fnmatch import fnmatchcase

from bansweep.errors import RequestError
from bansweep.plan.plan import Cell, EnsembleCell, Plan


def select(plan: Plan, patterns: Sequence[str]) -> Plan:
    """The cells whose row, column or `row/column` matches one of the patterns, and all generations they rest on.

    `*` and `?` are wildcards; a name is matched as it stands, too (`ens*2`). No patterns: the whole plan. Raises
    RequestError where nothing matches.
    """
    if not patterns:
        return plan
    cells = tuple(cell for cell in plan.cells if _matches(cell, patterns))
    ensembles = tuple(cell for cell in plan.ensembles if _matches(cell, patterns))
    if not cells and not ensembles:
        raise RequestError(
            f"--only {' '.join(patterns)}: no row or column of {plan.sweep} matches",
            remedy=f"rows: {', '.join(plan.rows)}; columns: {', '.join(plan.columns)}",
        )
    needed = {cell.generation_id for cell in cells} | {member for cell in ensembles for member in cell.members}
    for generation_id, generation in reversed(list(plan.generations.items())):
        if generation_id in needed and generation.teacher is not None:
            needed.add(generation.teacher)
    # Teachers and members that were not asked for keep their cells: a plan names every generation it holds.
    kept = tuple(cell for cell in plan.cells if cell.generation_id in needed)
    shown_rows = {cell.row for cell in kept} | {cell.row for cell in ensembles}
    shown_columns = {cell.column for cell in kept} | {cell.column for cell in ensembles}
    return dataclasses.replace(
        plan,
        rows=tuple(row for row in plan.rows if row in shown_rows),
        columns=tuple(column for column in plan.columns if column in shown_columns),
        generations={key: value for key, value in plan.generations.items() if key in needed},
        cells=kept,
        ensembles=ensembles,
    )


def _matches(cell: Cell | EnsembleCell, patterns: Sequence[str]) -> bool:
    names = (cell.row, cell.column, f"{cell.row}/{cell.column}")
    return any(name == pattern or fnmatchcase(name, pattern) for name in names for pattern in patterns)
