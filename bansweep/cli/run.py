"""`bansweep run`: train what a sweep lacks, and print its table."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated

import typer

from bansweep.cli.exit_status import ExitStatus
from bansweep.cli.options import DEFAULT_STORE, AsJson, Only, Overrides, StoreFolder, SweepFile
from bansweep.cli.planning import plan_of
from bansweep.plan.events import SweepEvent
from bansweep.plan.plan import Plan
from bansweep.spec.sweep import SweepSpec
from bansweep.store.store import Store

# At the end of a sweep the tracker may take this long to send what is left; the rest waits for `bansweep sync`.
TRACKING_TIMEOUT_S = 60.0
TRACKING_TIMEOUT_INTERRUPTED_S = 5.0


def run(
    sweep: SweepFile,
    store: StoreFolder = DEFAULT_STORE,
    overrides: Overrides = None,
    only: Only = None,
    address: Annotated[
        str | None,
        typer.Option(help="A running Ray cluster's address; by default one is started here.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """bansweep run sweeps/quickstart.yaml: train the generations that the store lacks, then print the table.

    Interrupted or failed, the same command goes on where it stopped; finished generations are never trained again.
    """
    spec, graph = plan_of(sweep, overrides, only)
    kept = Store(store)
    # From here on heavier packages are needed; nothing before costs a user with a wrong request seconds.
    from rich.console import Console

    from bansweep.cli.display import Display
    from bansweep.cli.interruption import Interrupted, interruptible
    from bansweep.cli.library_output import stdout_to
    from bansweep.cli.sweep_state import SweepState
    from bansweep.cli.tracking import finished_generations, tracker_of
    from bansweep.report.document import Outcome, report_document
    from bansweep.report.files import report_files
    from bansweep.report.table import report_table
    from bansweep.report.terminal import TerminalReport

    state = SweepState(graph, kept.finished(graph.generations))
    messages = Console(stderr=True, highlight=False)
    display = Display(state, messages)
    tracker = tracker_of(kept, spec.name)

    def emit(event: SweepEvent) -> None:
        state.handle(event)
        display.handle(event)
        tracker.handle(event)

    interruption: Interrupted | None = None
    tracker.start(graph, sweep.read_text(encoding="utf-8"))
    if len(state.reused) < len(graph.generations):
        try:
            with interruptible(), stdout_to(kept.sweep_folder(spec.name) / "run.log"), display.shown():
                _train(spec, graph, kept, emit, address)
        except Interrupted as signal:
            interruption = signal
    table = report_table(graph, kept, paper=spec.paper)
    document = report_document(
        graph, table.cells, Outcome(tuple(state.trained), tuple(state.reused), state.failed, state.blocked)
    )
    reports = report_files(table, document)
    for name, text in reports.items():
        (kept.sweep_folder(spec.name) / name).write_text(text, encoding="utf-8")
    summary = tracker.finish(
        lambda: finished_generations(graph, kept),
        reports,
        "KILLED" if interruption else "FAILED" if state.failed else "FINISHED",
        TRACKING_TIMEOUT_INTERRUPTED_S if interruption else TRACKING_TIMEOUT_S,
    )

    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        Console().print(TerminalReport(table))
    messages.print(f"{state.closing}; store: {store}, MLflow: {summary.uri}", soft_wrap=True)
    if summary.unsent or summary.error:
        messages.print(f"MLflow lacks {len(summary.unsent)} generations ({summary.error})", soft_wrap=True)
        messages.print(f"  bansweep sync {sweep} --store {store} sends them", soft_wrap=True)
    if interruption is not None:
        messages.print("interrupted; the same command goes on from here")
        raise typer.Exit(interruption.exit_status)
    if state.failed:
        raise typer.Exit(ExitStatus.FAILED)


def _train(spec: SweepSpec, graph: Plan, store: Store, emit: Callable[[SweepEvent], None], address: str | None) -> None:
    """Check the data while that is cheap to mend, then let Ray train. Raises RequestError, ClusterError."""
    from bansweep.cluster.sweep_run import run_sweep
    from bansweep.data.images import load_images
    from bansweep.data.prepare import prepare

    load_images(spec.data, prepare(spec.data))
    run_sweep(spec, graph, store, emit=emit, address=address)
