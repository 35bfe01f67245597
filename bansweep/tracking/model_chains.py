"""The chains of a sweep, and the best generation of each: what MLflow's model registry holds. Pure.

A chain is what the sweep file calls one, or else a student of a generation that learnt from labels, with all that
descend from it in the same row. Its first generation's teacher competes with it: no student need be better.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from bansweep.graph.plan import Plan
from bansweep.graph.results import comparable

# What generations are compared by where the sweep file does not say: the first of these that all of them have.
_METRICS = ("validation_error", "validation_perplexity", "test_error", "test_perplexity")


@dataclass(frozen=True)
class ModelChain:
    """`members` are ids in order, after the first one's teacher where that stands in the same row; `metric` is what
    they are compared by (lower is better), None where the sweep file does not say.

    `model` is the name in the registry, which the chain keeps in every part of the sweep.
    """

    name: str
    model: str
    members: tuple[str, ...]
    metric: str | None


@dataclass(frozen=True)
class Best:
    """The best of a chain: of equals the earliest. `chosen_from` has the ids of all that were compared."""

    generation_id: str
    metric: str
    value: float
    chosen_from: tuple[str, ...]


def chains_of(plan: Plan) -> tuple[ModelChain, ...]:
    """The plan's chains, in its order. None is named for generations that all learn from labels."""
    # Plans are never changed, and descriptions ask for their chains time and again.
    return _chains_by_identity(_ById(plan))


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
class _ById:
    """A plan as a key: the very object."""

    plan: Plan

    def __hash__(self) -> int:
        return id(self.plan)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and self.plan is other.plan


@functools.lru_cache(maxsize=4)
def _chains_by_identity(key: _ById) -> tuple[ModelChain, ...]:
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
    """First student -> its teacher, itself and its descendants, of one row and replica; but for those `taken`."""
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
    # The registry takes the first two in no name, and its searches the others in none.
    return re.sub(r"[/:'\"]", "-", ".".join(parts))
