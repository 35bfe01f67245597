"""How long a sweep will still take: as its longest chain does, or all its work, divided by what runs at a time."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from statistics import median

from bansweep.plan.generation import Generation
from bansweep.plan.plan import Plan


def sweep_time_left(
    plan: Plan,
    epochs_left: Mapping[str, int],
    epoch_seconds: Mapping[str, float],
    *,
    at_a_time: int,
) -> float | None:
    """Seconds, where epochs take as long as those of this sweep so far; None where that is unknown of one.

    `epochs_left` has the generations that are unfinished (of searched ones for each candidate), in the plan's order;
    `epoch_seconds` those of which an epoch was measured.
    """
    seconds: dict[str, float] = {}
    for generation_id, epochs in epochs_left.items():
        generation = plan.generations[generation_id]
        epoch = epoch_seconds.get(generation_id) or _of_others(plan, generation, epoch_seconds)
        if epoch is None:
            return None
        seconds[generation_id] = epochs * epoch
    ends: dict[str, float] = {}
    work = 0.0
    for generation_id, one in seconds.items():
        search = plan.generations[generation_id].search
        candidates = 1 if search is None else search.size
        work += candidates * one
        teacher = plan.generations[generation_id].teacher
        rounds = ceil(candidates / max(1, at_a_time))
        ends[generation_id] = rounds * one + (ends.get(teacher, 0.0) if teacher is not None else 0.0)
    return max(max(ends.values(), default=0.0), work / max(1, at_a_time))


def _of_others(plan: Plan, generation: Generation, epoch_seconds: Mapping[str, float]) -> float | None:
    """Seconds an epoch of the same network, by the same loss if there is one."""
    same_network = {
        generation_id: seconds
        for generation_id, seconds in epoch_seconds.items()
        if plan.generations[generation_id].network == generation.network
    }
    same_loss = [
        seconds
        for generation_id, seconds in same_network.items()
        if plan.generations[generation_id].loss.kind == generation.loss.kind
    ]
    known = same_loss or list(same_network.values())
    return median(known) if known else None
