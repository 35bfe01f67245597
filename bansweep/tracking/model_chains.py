"""The chains of a sweep, and the best generation of each: what MLflow's model registry holds. Pure.

A chain is one declared in the sweep file, otherwise a student of a generation trained on labels, with all its
descendants in the same row. The teacher of its first generation is compared, too: students may all be worse.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from bansweep.graph.plan import Plan
from bansweep.graph.results import comparable

# Without a metric in the sweep file, generations are compared by the first of these that all of them have.
_METRICS = ("validation_error", "validation_perplexity", "test_error", "test_perplexity")


@dataclass(frozen=True)
class ModelChain:
    """`members` are ids in order, preceded by the first one's teacher if it is in the same row.

    They are compared by `metric` (lower is better); None if the sweep file names none. `model` is the name in the
    registry, the same in every part of the sweep.
    """

    name: str
    model: str
    members: tuple[str, ...]
    metric: str | None


@dataclass(frozen=True)
class Best:
    """The best generation of a chain, the earliest of equal ones.

    `chosen_from` has the ids of all that were compared.
    """

    generation_id: str
    metric: str
    value: float
    chosen_from: tuple[str, ...]


def chains_of(plan: Plan) -> tuple[ModelChain, ...]:
    """The plan's chains, in its order; without generations that only learn from labels."""
    # Plans never change, and descriptions need their chains often.
    return _chains_by_identity(_PlanIdentity(plan))


def best_of(chain: ModelChain, metrics: Mapping[str, Mapping[str, float]]) -> Best | None:
    """The best of the chain's finished generations, given their metrics (id -> name -> value).

    None where none is finished, or where they have no metric in common.
    """
    finished = [one for one in chain.members if one in metrics]
    names = _METRICS if chain.metric is None else (chain.metric,)
    metric = next((name for name in names if finished and all(name in metrics[one] for one in finished)), None)
    if metric is None:
        return None
    best = min(finished, key=lambda one: comparable(metrics[one][metric]))
    return Best(best, metric, metrics[best][metric], tuple(finished))


@dataclass(frozen=True)
class _PlanIdentity:
    """A plan as a key, compared by identity."""

    plan: Plan

    def __hash__(self) -> int:
        return id(self.plan)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _PlanIdentity) and self.plan is other.plan


@functools.lru_cache(maxsize=4)
def _chains_by_identity(key: _PlanIdentity) -> tuple[ModelChain, ...]:
    plan = key.plan
    columns: dict[tuple[str, int], dict[str, str]] = {}
    for cell in plan.cells:
        columns.setdefault((cell.row, cell.replica_seed), {}).setdefault(cell.generation_id, cell.column)
    chains: list[ModelChain] = []
    for (row, seed), column_of in columns.items():
        taken: set[str] = set()
        for planned in plan.chains:
            if (planned.row, planned.replica_seed) == (row, seed):
                members = (*(one for one in (planned.teacher,) if one in column_of), *planned.members)
                taken.update(planned.members)
                model = _model_name(plan, row, planned.name, seed)
                chains.append(ModelChain(planned.name, model, members, planned.metric))
        for first, members in _families(plan, column_of, taken).items():
            name = column_of[first]
            chains.append(ModelChain(name, _model_name(plan, row, name, seed), members, None))
    return tuple(chains)


def _families(plan: Plan, column_of: Mapping[str, str], taken: set[str]) -> dict[str, tuple[str, ...]]:
    """First student -> its teacher, itself and its descendants, of one row and replica, without those `taken`."""
    families: dict[str, list[str]] = {}
    for generation_id in plan.generations:  # teachers before students
        if generation_id not in column_of or generation_id in taken:
            continue
        teacher = plan.generations[generation_id].teacher
        if teacher is None:
            continue
        family = next((one for one in families.values() if teacher in one[1:]), None)
        if family is not None:
            family.append(generation_id)
        else:
            families[generation_id] = [teacher if teacher in column_of else "", generation_id]
    return {first: tuple(filter(None, members)) for first, members in families.items()}


def _model_name(plan: Plan, row: str, chain: str, seed: int) -> str:
    parts = [plan.sweep, row, chain] + ([f"seed-{seed}"] if len(plan.replica_seeds) > 1 else [])
    # The registry refuses names with the first two characters; its searches fail for the others.
    return re.sub(r"[/:'\"]", "-", ".".join(parts))
