"""`bansweep plan`: the graph of a sweep, and what of it is finished."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from bansweep.cli.cost import SweepCost, sweep_cost
from bansweep.cli.options import AsJson, Only, Overrides, Rehearse, StoreLocation, SweepFile
from bansweep.plan.chains import without_ended
from bansweep.plan.cost import candidates_of
from bansweep.plan.frontier import chain_lengths
from bansweep.plan.generation import Generation
from bansweep.plan.plan import EnsembleCell, Plan
from bansweep.service.generation_states import GenerationStates, generation_states
from bansweep.service.request import budget_text, sweep_request
from bansweep.spec.losses import loss_name
from bansweep.store.location import DEFAULT_STORE

_MARK = {"finished": "✓", "started": "…", "waiting": "·", "damaged": "!", "not needed": "×"}


def plan(
    sweep: SweepFile,
    store: StoreLocation = DEFAULT_STORE,
    overrides: Overrides = None,
    only: Only = None,
    rehearse: Rehearse = False,
    as_json: AsJson = False,
) -> None:
    """bansweep plan sweeps/quickstart.yaml: what would be trained, from which teachers, and what that will cost.

    Example: bansweep plan sweeps/table2.yaml --only 'densenet-90-60/*' --store ~/networks
    """
    request = sweep_request(sweep, store, overrides, only, rehearse=rehearse)
    graph = request.plan
    states = generation_states(graph, request.store)
    estimated = sweep_cost(request, states.unfinished)
    if as_json:
        typer.echo(json.dumps(_document(graph, states, estimated), indent=2))
        return
    cells = len(graph.cells) + len(graph.ensembles)
    typer.echo(
        f"{graph.sweep}: {cells} cells, {len(graph.generations)} distinct generations, "
        f"{len(states.finished)} finished in {request.location}"
    )
    cost = _cost(graph, states)
    typer.echo(
        f"to train: {cost['generations']} generations, {cost['epochs']:,} epochs; "
        f"longest chain {cost['critical_path_generations']} generations"
    )
    for line in estimated.lines:
        typer.echo(line)
    if states.unfinished and request.bf16_message is not None:
        typer.echo(request.bf16_message)
    if request.spec.budget is not None:
        typer.echo(budget_text(request))
    ensembles = without_ended(graph, states.ends).ensembles
    typer.echo("\n".join(_tree(graph, states, ensembles)))


def _document(graph: Plan, states: GenerationStates, estimated: SweepCost) -> dict[str, Any]:
    return {
        "generations": [
            {
                "id": generation_id,
                "network": generation.network.name,
                "rows": list(dict.fromkeys(cell.row for cell in graph.cells_of[generation_id])),
                "columns": list(dict.fromkeys(cell.column for cell in graph.cells_of[generation_id])),
                "generation_index": generation.generation_index,
                "loss": loss_name(generation.loss),
                "teacher": generation.teacher,
                "seed": generation.seed,
                "replica_seed": graph.cells_of[generation_id][0].replica_seed,
                "state": states.by_id[generation_id],
            }
            for generation_id, generation in graph.generations.items()
        ],
        "ensembles": [
            {"row": cell.row, "column": cell.column, "seed": cell.replica_seed, "members": list(cell.members)}
            for cell in graph.ensembles
        ],
        "cost": {**_cost(graph, states), **estimated.document},
    }


def _cost(graph: Plan, states: GenerationStates) -> dict[str, int]:
    """What is left to train; the longest chain of it cannot be trained in parallel."""
    unfinished = states.unfinished
    lengths = chain_lengths(graph)
    return {
        "generations": len(unfinished),
        "epochs": sum(one.recipe.epochs * candidates_of(one) for one in map(graph.generations.__getitem__, unfinished)),
        "critical_path_generations": max((lengths[generation_id] for generation_id in unfinished), default=0),
    }


def _tree(graph: Plan, states: GenerationStates, ensembles: Sequence[EnsembleCell]) -> Iterator[str]:
    """A line for every generation, students below their teachers, and then the ensembles."""
    students: dict[str | None, list[str]] = {}
    for generation_id, generation in graph.generations.items():
        students.setdefault(generation.teacher, []).append(generation_id)
    names = {one: "  " * g.generation_index + graph.label(one) for one, g in graph.generations.items()}
    width = max(map(len, names.values()))
    stack = list(reversed(students[None]))
    while stack:
        generation_id = stack.pop()
        generation = graph.generations[generation_id]
        state = states.by_id[generation_id]
        what = f"{loss_name(generation.loss):<9}  {generation_id}  {state}{_search_text(generation)}"
        yield f"  {_MARK[state]} {names[generation_id]:<{width}}  {what}"
        stack += reversed(students.get(generation_id, []))
    for cell in ensembles:
        yield f"  ∪ {cell.row} / {cell.column} (seed {cell.replica_seed}): mean of {len(cell.members)} members"


def _search_text(generation: Generation) -> str:
    """`  tpe search among 8 candidates, asha`."""
    search = generation.search
    if search is None:
        return ""
    pruner = "" if search.pruner is None else f", {search.pruner.kind}"
    return f"  {search.sampling} search among {search.size} candidates{pruner}"
