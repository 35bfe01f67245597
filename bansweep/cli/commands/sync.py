"""`bansweep sync`: send MLflow what it lacks."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from bansweep.cli.exit_status import ExitStatus
from bansweep.cli.options import AsJson, Only, Overrides, Rehearse, StoreLocation, SweepFile
from bansweep.graph.chains import not_needed
from bansweep.graph.events import GenerationNotNeeded
from bansweep.service.generation_states import ended_chains
from bansweep.service.request import sweep_request
from bansweep.store.location import DEFAULT_STORE


def sync(
    sweep: SweepFile,
    store: StoreLocation = DEFAULT_STORE,
    overrides: Overrides = None,
    only: Only = None,
    rehearse: Rehearse = False,
    timeout: Annotated[float, typer.Option(help="Seconds to try for.", metavar="SECONDS")] = 600.0,
    as_json: AsJson = False,
) -> None:
    """bansweep sync sweeps/quickstart.yaml: bring MLflow up to what the store holds. Twice does no harm.

    Example: bansweep sync sweeps/table2.yaml --store ~/networks --timeout 60
    """
    request = sweep_request(sweep, store, overrides, only, rehearse=rehearse)
    graph, kept = request.plan, request.store
    from bansweep.report.document import Outcome
    from bansweep.service.sweep_report import sweep_report
    from bansweep.service.tracking import finished_ensembles, finished_generations, tracker_of

    tracker = tracker_of(kept, graph.sweep, thorough=True)
    tracker.start(graph, request.text)
    finished = kept.finished(graph.generations)
    ends = ended_chains(graph, kept)
    left_out = not_needed(graph, ends)
    for generation_id in left_out.keys() - finished:
        tracker.handle(GenerationNotNeeded(generation_id, left_out[generation_id]))
    outcome = Outcome(reused=tuple(one for one in graph.generations if one in finished))
    report = sweep_report(request, ends, outcome)
    summary = tracker.finish(
        lambda: finished_generations(graph, kept),
        # A partial table must not replace the whole one.
        {} if only else report.files,
        "FINISHED" if graph.generations.keys() == finished | left_out.keys() else "KILLED",
        timeout,
        tuple(finished_ensembles(report.plan, report.table)),
    )
    incomplete = bool(summary.unsent or summary.error)
    if as_json:
        document = {
            "sent": summary.sent,
            "unsent": summary.unsent,
            "uri": summary.uri,
            "error": summary.error,
            "models_error": summary.models_error,
        }
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo(f"{summary.sent} generations at {summary.uri}, {len(summary.unsent)} missing")
        if incomplete:
            typer.echo(f"  {summary.error}", err=True)
        if summary.models_error:
            typer.echo(f"  no models: {summary.models_error}", err=True)
    if incomplete:
        raise typer.Exit(ExitStatus.FAILED)
