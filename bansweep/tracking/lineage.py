"""Who descends from whom in a plan, and what people call them. Pure."""

from __future__ import annotations

from bansweep.plan.plan import Plan


def name_of(plan: Plan, generation_id: str) -> str:
    """The plan's label, or network and id where no cell shows the generation."""
    if plan.cells_of.get(generation_id):
        return plan.label(generation_id)
    known = plan.generations.get(generation_id)
    return f"{known.network.name} / {generation_id}" if known else generation_id


def lineage(plan: Plan, generation_id: str) -> tuple[str, ...]:
    """The ids from the generation that learnt from labels down to this one."""
    ids = [generation_id]
    while (generation := plan.generations.get(ids[-1])) and generation.teacher:
        ids.append(generation.teacher)
    return tuple(reversed(ids))
