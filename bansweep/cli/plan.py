"""`bansweep plan`: the graph of a sweep, and what of it is finished."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import typer

from bansweep.cli.options import DEFAULT_STORE, AsJson, Only, Overrides, Rehearse, StoreFolder, SweepFile
from bansweep.cli.planning import sweep_request
from bansweep.errors import DamagedError
from bansweep.plan.frontier import chain_lengths
from bansweep.plan.plan import Plan
from bansweep.store.store import Store

State = Literal["finished", "started", "waiting", "damaged"]
_MARK = {"finished": "✓", "started": "…", "waiting": "·", "damaged": "!"}


def plan(
    sweep: SweepFile,
    store: StoreFolder = DEFAULT_STORE,
    overrides: Overrides = None,
    only: Only = None,
    rehearse: Rehearse = False,
    as_json: AsJson = False,
) -> None:
    """bansweep plan sweeps/quickstart.yaml: what would be trained, from which teachers, and what is finished."""
    request = sweep_request(sweep, store, overrides, only, rehearse=rehearse)
    graph = request.plan
    states = generation_states(graph, request.store)
    if as_json:
        typer.echo(json.dumps(_document(graph, states), indent=2))
        return
    finished = sum(state == "finished" for state in states.values())
    cells = len(graph.cells) + len(graph.ensembles)
    typer.echo(
        f"{graph.sweep}: {cells} cells, {len(graph.generations)} distinct generations, {finished} finished in "
        f"{request.folder}"
    )
    cost = _cost(graph, states)
    typer.echo(
        f"to train: {cost['generations']} generations, {cost['epochs']:,} epochs; "
        f"longest chain {cost['critical_path_generations']} generations"
    )
    _echo_tree(graph, states)


def generation_states(graph: Plan, store: Store) -> dict[str, State]:
    """Every generation's id -> whether it is finished, has progress to go on from, or waits.

    A finished one whose record is not what was published is "damaged". Raises StoreError where a record cannot be
    read at all.
    """
    return {generation_id: _state(store, generation_id) for generation_id in graph.generations}


def _state(store: Store, generation_id: str) -> State:
    try:
        if store.record(generation_id) is not None:
            return "finished"
    except DamagedError:
        return "damaged"
    return "started" if store.epochs_done(generation_id) else "waiting"


def _document(graph: Plan, states: Mapping[str, State]) -> dict[str, Any]:
    return {
        "generations": [
            {
                "id": generation_id,
                "network": generation.network.name,
                "rows": list(dict.fromkeys(cell.row for cell in graph.cells_of[generation_id])),
                "columns": list(dict.fromkeys(cell.column for cell in graph.cells_of[generation_id])),
                "generation_index": generation.generation_index,
                "loss": generation.loss.kind,
                "teacher": generation.teacher,
                "seed": generation.seed,
                "replica_seed": graph.cells_of[generation_id][0].replica_seed,
                "state": states[generation_id],
            }
            for generation_id, generation in graph.generations.items()
        ],
        "ensembles": [
            {"row": cell.row, "column": cell.column, "seed": cell.replica_seed, "members": list(cell.members)}
            for cell in graph.ensembles
        ],
        "cost": _cost(graph, states),
    }


def _cost(graph: Plan, states: Mapping[str, State]) -> dict[str, int]:
    """What is left to train; the longest chain of it cannot be trained in parallel."""
    unfinished = [generation_id for generation_id, state in states.items() if state != "finished"]
    lengths = chain_lengths(graph)
    return {
        "generations": len(unfinished),
        "epochs": sum(graph.generations[generation_id].recipe.epochs for generation_id in unfinished),
        "critical_path_generations": max((lengths[generation_id] for generation_id in unfinished), default=0),
    }


def _echo_tree(graph: Plan, states: Mapping[str, State]) -> None:
    students: dict[str | None, list[str]] = {}
    for generation_id, generation in graph.generations.items():
        students.setdefault(generation.teacher, []).append(generation_id)
    width = max(
        2 * g.generation_index + len(graph.label(generation_id)) for generation_id, g in graph.generations.items()
    )
    stack = list(reversed(students[None]))
    while stack:
        generation_id = stack.pop()
        generation = graph.generations[generation_id]
        name = "  " * generation.generation_index + graph.label(generation_id)
        state = states[generation_id]
        typer.echo(f"  {_MARK[state]} {name:<{width}}  {generation.loss.kind:<9}  {generation_id}  {state}")
        stack += reversed(students.get(generation_id, []))
    for cell in graph.ensembles:
        typer.echo(f"  ∪ {cell.row} / {cell.column} (seed {cell.replica_seed}): mean of {len(cell.members)} members")
