"""`bansweep status`: the progress of a sweep, from any terminal or on a cluster."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from bansweep.cli.cluster_jobs import is_sweep_file, state_text
from bansweep.cli.options import AsJson, Only, Overrides, Rehearse, StoreLocation
from bansweep.config.reading import read_sweep
from bansweep.errors import ClusterError
from bansweep.graph.generation import Generation
from bansweep.service.generation_states import generation_states
from bansweep.service.request import budget_text, sweep_request
from bansweep.service.stored_status import candidates_text, counts_text, stored_status
from bansweep.service.sweep_status import SweepStatus
from bansweep.store.location import DEFAULT_STORE
from bansweep.store.store import Store

if TYPE_CHECKING:
    from bansweep.jobs.submission import Jobs, SweepJob


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
        _draw(stored_status(request, found))
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


def _draw(progress: SweepStatus) -> None:
    """The tree that `bansweep run` shows, as large as the terminal."""
    from rich.console import Console

    from bansweep.service.tree import ProgressTree

    Console(highlight=False).print(ProgressTree(progress))


def job_status(job: str, address: str, *, as_json: bool) -> None:
    """Prints the jobs of a sweep file, or the one with this id, the newest first.

    Progress is read only of the newest and of those that have not ended: it takes a job's whole output.
    """
    from bansweep.jobs.submission import Jobs

    jobs = Jobs(address)
    found = jobs.of_sweep(read_sweep(Path(job)).name) if is_sweep_file(job) else [jobs.job(job)]
    progress = [
        _progress(jobs, one) if number == 0 or not one.ended else _Progress(None) for number, one in enumerate(found)
    ]
    if as_json:
        document = [
            {**vars(one), "progress": far.text, "progress_error": far.why_not}
            for one, far in zip(found, progress, strict=True)
        ]
        typer.echo(json.dumps({"jobs": document}, indent=2))
        return
    if not found:
        typer.echo(f"no job of {job} on the cluster at {address}")
    for one, far in zip(found, progress, strict=True):
        times = [_time_text("since", one.started_at), _time_text("until", one.ended_at)]
        typer.echo(", ".join(filter(None, (f"{one.id}: {state_text(one)}", *times))))
        if far.text:
            typer.echo(f"  {far.text}")
        if far.why_not:
            typer.echo(f"  how far it is cannot be read: {far.why_not}")


class _Progress(NamedTuple):
    """A job's progress as it prints it; None where it was not asked, or cannot be read (`why_not`)."""

    text: str | None
    why_not: str | None = None


def _progress(jobs: Jobs, job: SweepJob) -> _Progress:
    try:
        return _Progress(jobs.progress(job))
    except ClusterError as error:  # for example, its node is gone
        return _Progress(None, error.cause)


def _time_text(word: str, seconds: float | None) -> str:
    return "" if seconds is None else f"{word} {datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
