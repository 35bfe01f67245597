"""The chains of columns in a row: who teaches whom, whether the sweep file calls that a chain or not."""

from __future__ import annotations

from bansweep.plan.plan import Cell, Plan


def column_chains(plan: Plan, row: str) -> tuple[tuple[str, ...], ...]:
    """The row's chains of columns, each from one that learns from labels to one that teaches none, in the plan's order.

    Chains may begin alike. All replicas have the same chains but where one ended early: the longest is what counts. A
    generation that stands in several columns counts once, by its first.
    """
    found: dict[tuple[str, ...], None] = {}
    by_seed: dict[int, list[Cell]] = {}
    for cell in plan.cells:
        if cell.row == row:
            by_seed.setdefault(cell.replica_seed, []).append(cell)
    for cells in by_seed.values():
        found.update(dict.fromkeys(_chains(plan, cells)))
    longest = [one for one in found if not any(other[: len(one)] == one for other in found if other != one)]
    place = {column: number for number, column in enumerate(plan.columns)}
    return tuple(sorted(longest, key=lambda chain: [place[column] for column in chain]))


def _chains(plan: Plan, cells: list[Cell]) -> list[tuple[str, ...]]:
    """Those of one replica."""
    column_of: dict[str, str] = {}
    for cell in cells:
        column_of.setdefault(cell.generation_id, cell.column)
    teachers = {plan.generations[one].teacher for one in column_of}
    chains = []
    for last in column_of:
        if last in teachers:
            continue
        chain, generation_id = [column_of[last]], plan.generations[last].teacher
        while generation_id is not None and generation_id in column_of:
            chain.insert(0, column_of[generation_id])
            generation_id = plan.generations[generation_id].teacher
        chains.append(tuple(chain))
    return chains
