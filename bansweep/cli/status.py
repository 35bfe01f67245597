"""`bansweep status`: where a sweep stands, from any terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from bansweep.cli.job_status import job_status
from bansweep.cli.options import AsJson, Only, Overrides, Rehearse, StoreLocation
from bansweep.plan.generation import Generation
from bansweep.service.generation_states import generation_states
from bansweep.service.progress.standing import SweepStanding
from bansweep.service.progress.stored import candidates_text, counts_text, stored_standing
from bansweep.service.request import budget_text, sweep_request
from bansweep.store.location import DEFAULT_STORE
from bansweep.store.store import Store


def status(
    sweep: Annotated[
        str, typer.Argument(metavar="SWEEP", help="The sweep file (YAML); with --address also a job's id.")
    ],
    store: StoreLocation = DEFAULT_STORE,
    overrides: Overrides = None,
    only: Only = None,
    rehearse: Rehearse = False,
    address: Annotated[
        str | None,
        typer.Option(
            help="Ask this cluster's job server for the sweep's jobs there.", metavar="URL", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """bansweep status sweeps/quickstart.yaml: what is finished, what has begun, what waits.

    Example: bansweep status sweeps/table2.yaml --store ~/networks --json
    """
    if address is not None:
        job_status(sweep, address, as_json=as_json)
        return
    request = sweep_request(Path(sweep), store, overrides, only, rehearse=rehearse)
    graph, kept = request.plan, request.store
    found = generation_states(graph, kept)
    states = found.by_id
    if as_json:
        generations = [
            {
                "id": generation_id,
                "label": graph.label(generation_id),
                "state": state,
                "epochs_done": _epochs_done(kept, generation_id, state, graph.generations[generation_id].recipe.epochs),
                "epochs": graph.generations[generation_id].recipe.epochs,
                "candidates": kept.search_counts(generation_id) or None,
            }
            for generation_id, state in states.items()
        ]
        typer.echo(json.dumps({"sweep": graph.sweep, "generations": generations}, indent=2))
        return
    if not kept.exists:
        typer.echo(f"no store at {request.location} yet")
    if drawn := sys.stdout.isatty():
        _draw(stored_standing(request, found))
    else:
        typer.echo(counts_text(request, found))
    if request.spec.budget is not None:
        typer.echo(f"  {budget_text(request)}")
    for generation_id, state in states.items():
        if state == "started" and not drawn:
            typer.echo(f"  {graph.label(generation_id)}: {_progress_text(graph.generations[generation_id], kept)}")
        elif state == "damaged":
            command = f"bansweep show {generation_id} --store {request.location}"
            typer.echo(f"  {graph.label(generation_id)}: damaged; {command} says what is wrong")


def _epochs_done(store: Store, generation_id: str, state: str, epochs: int) -> int:
    return epochs if state == "finished" else store.epochs_done(generation_id)


def _progress_text(generation: Generation, store: Store) -> str:
    """`epoch 3/30`, or of a search `3 of 8 candidates through (1 finished, 2 pruned), 2 begun`."""
    if generation.search is None:
        return f"epoch {store.epochs_done(generation.id)}/{generation.recipe.epochs}"
    return candidates_text(store.search_counts(generation.id), generation.search.size)


def _draw(standing: SweepStanding) -> None:
    """The tree that `bansweep run` shows, as large as the terminal."""
    from rich.console import Console

    from bansweep.service.progress.tree import ProgressTree

    Console(highlight=False).print(ProgressTree(standing))
