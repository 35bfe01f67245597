"""`bansweep sync`: send MLflow what it missed."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from bansweep.cli.exit_status import ExitStatus
from bansweep.cli.options import DEFAULT_STORE, AsJson, Only, Overrides, StoreFolder, SweepFile
from bansweep.cli.planning import plan_of
from bansweep.store.store import Store


def sync(
    sweep: SweepFile,
    store: StoreFolder = DEFAULT_STORE,
    overrides: Overrides = None,
    only: Only = None,
    timeout: Annotated[float, typer.Option(help="Seconds to try for.", metavar="SECONDS")] = 600.0,
    as_json: AsJson = False,
) -> None:
    """bansweep sync sweeps/quickstart.yaml: bring MLflow up to what the store holds. Twice does no harm."""
    spec, graph = plan_of(sweep, overrides, only)
    kept = Store(store)
    from bansweep.cli.tracking import finished_generations, tracker_of
    from bansweep.report.document import Outcome, report_document
    from bansweep.report.files import report_files
    from bansweep.report.table import report_table

    tracker = tracker_of(kept, spec.name)
    tracker.start(graph, sweep.read_text(encoding="utf-8"))
    table = report_table(graph, kept, paper=spec.paper)
    finished = kept.finished(graph.generations)
    outcome = Outcome(reused=tuple(one for one in graph.generations if one in finished))
    summary = tracker.finish(
        lambda: finished_generations(graph, kept),
        # A part of the table must not take the place of the whole one.
        {} if only else report_files(table, report_document(graph, table.cells, outcome, table.damaged)),
        "FINISHED" if len(finished) == len(graph.generations) else "KILLED",
        timeout,
    )
    incomplete = bool(summary.unsent or summary.error)
    if as_json:
        document = {"sent": summary.sent, "unsent": summary.unsent, "uri": summary.uri, "error": summary.error}
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo(f"{summary.sent} generations at {summary.uri}, {len(summary.unsent)} missing")
        if incomplete:
            typer.echo(f"  {summary.error}", err=True)
    if incomplete:
        raise typer.Exit(ExitStatus.FAILED)
