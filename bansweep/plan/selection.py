"""`--only PATTERN`: the part of a plan that some cells need."""

from __future__ import annotations

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
    return plan.part(cells, ensembles)


def _matches(cell: Cell | EnsembleCell, patterns: Sequence[str]) -> bool:
    names = (cell.row, cell.column, f"{cell.row}/{cell.column}")
    return any(name == pattern or fnmatchcase(name, pattern) for name in names for pattern in patterns)
