"""`bansweep status`: where a sweep stands, from any terminal."""

from __future__ import annotations

import json

import typer

from bansweep.cli.options import DEFAULT_STORE, AsJson, Only, Overrides, Rehearse, StoreFolder, SweepFile
from bansweep.cli.plan import generation_states
from bansweep.cli.planning import sweep_request
from bansweep.store.store import Store


def status(
    sweep: SweepFile,
    store: StoreFolder = DEFAULT_STORE,
    overrides: Overrides = None,
    only: Only = None,
    rehearse: Rehearse = False,
    as_json: AsJson = False,
) -> None:
    """bansweep status sweeps/quickstart.yaml: what is finished, what has begun, what waits."""
    request = sweep_request(sweep, store, overrides, only, rehearse=rehearse)
    graph, kept = request.plan, request.store
    states = generation_states(graph, kept)
    if as_json:
        generations = [
            {
                "id": generation_id,
                "label": graph.label(generation_id),
                "state": state,
                "epochs_done": _epochs_done(kept, generation_id, state, graph.generations[generation_id].recipe.epochs),
                "epochs": graph.generations[generation_id].recipe.epochs,
            }
            for generation_id, state in states.items()
        ]
        typer.echo(json.dumps({"sweep": graph.sweep, "generations": generations}, indent=2))
        return
    if not kept.root.is_dir():
        typer.echo(f"no store at {request.folder} yet")
    amounts = {state: sum(other == state for other in states.values()) for state in ("finished", "started", "waiting")}
    damaged = sum(state == "damaged" for state in states.values())
    if damaged:
        amounts["damaged"] = damaged
    typer.echo(f"{graph.sweep}: {', '.join(f'{amount} {state}' for state, amount in amounts.items())}")
    for generation_id, state in states.items():
        if state == "started":
            epochs = graph.generations[generation_id].recipe.epochs
            typer.echo(f"  {graph.label(generation_id)}: epoch {kept.epochs_done(generation_id)}/{epochs}")
        elif state == "damaged":
            command = f"bansweep show {generation_id} --store {request.folder}"
            typer.echo(f"  {graph.label(generation_id)}: damaged; {command} says what is wrong")


def _epochs_done(store: Store, generation_id: str, state: str, epochs: int) -> int:
    return epochs if state == "finished" else store.epochs_done(generation_id)
