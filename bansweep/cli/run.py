"""`bansweep run`: train what a sweep lacks, and print its table."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated

import typer

from bansweep.cli.exit_status import ExitStatus
from bansweep.cli.options import DEFAULT_STORE, AsJson, Only, Overrides, StoreFolder, SweepFile
from bansweep.cli.planning import plan_of
from bansweep.errors import BansweepError, StoreError
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

    from bansweep.cli.display import Display, MessageConsole
    from bansweep.cli.interruption import Interrupted, interruptible
    from bansweep.cli.run_log import stdout_to
    from bansweep.cli.sweep_state import SweepState
    from bansweep.cli.tracking import finished_generations, tracker_of
    from bansweep.report.document import Outcome, report_document
    from bansweep.report.files import report_files
    from bansweep.report.table import report_table
    from bansweep.report.terminal import TerminalReport

    state = SweepState(graph, kept.finished(graph.generations))
    messages = MessageConsole(stderr=True, highlight=False, markup=False)
    display = Display(state, messages)
    tracker = tracker_of(kept, spec.name)

    def emit(event: SweepEvent) -> None:
        state.handle(event)
        display.handle(event)
        tracker.handle(event)

    # Whatever ends the training early, what is finished is reported and tracked before it is told.
    ended_early: Interrupted | BansweepError | None = None
    tracker.start(graph, sweep.read_text(encoding="utf-8"))
    if len(state.reused) < len(graph.generations):
        _check_data(spec, graph)
        try:
            with interruptible(), stdout_to(kept.sweep_folder(spec.name) / "run.log"), display.shown():
                _train(spec, graph, kept, emit, address)
        except (Interrupted, BansweepError) as end:
            ended_early = end
    interrupted = isinstance(ended_early, Interrupted)
    table = report_table(graph, kept, paper=spec.paper)
    outcome = Outcome(tuple(state.trained), tuple(state.reused), state.failed, state.blocked)
    document = report_document(graph, table.cells, outcome, table.damaged)
    reports = report_files(table, document)
    if not only:  # a part of the table is no reason to lose the whole one
        try:
            for name, text in reports.items():
                kept.write_sweep_file(spec.name, name, text)
        except StoreError as error:
            messages.print(f"the report is not kept: {error.cause}", soft_wrap=True)
    summary = tracker.finish(
        lambda: finished_generations(graph, kept),
        {} if only else reports,
        "KILLED" if interrupted else "FAILED" if state.failed or ended_early else "FINISHED",
        TRACKING_TIMEOUT_INTERRUPTED_S if interrupted else TRACKING_TIMEOUT_S,
    )

    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        Console().print(TerminalReport(table))
    messages.print(f"{state.closing}; store: {store}, MLflow: {summary.uri}", soft_wrap=True)
    if summary.unsent or summary.error:
        messages.print(f"MLflow lacks {len(summary.unsent)} generations ({summary.error})", soft_wrap=True)
        options = [f" --set '{text}'" for text in overrides or ()] + [f" --only '{text}'" for text in only or ()]
        messages.print(f"  bansweep sync {sweep} --store {store}{''.join(options)} sends them", soft_wrap=True)
    if isinstance(ended_early, Interrupted):
        messages.print(f"{ended_early.word}; the same command goes on from here")
        raise typer.Exit(ended_early.exit_status)
    if ended_early is not None:
        raise ended_early
    if state.failed:
        raise typer.Exit(ExitStatus.FAILED)


def _check_data(spec: SweepSpec, graph: Plan) -> None:
    """Prepare the data, and see that everything suits it, while that is cheap to mend. Raises DataError."""
    from bansweep.data.images import load_images
    from bansweep.data.prepare import prepare
    from bansweep.data.suitability import check_suitable

    images = load_images(spec.data, prepare(spec.data))
    for network in {generation.network for generation in graph.generations.values()}:
        check_suitable(spec.recipe, network, images)


def _train(spec: SweepSpec, graph: Plan, store: Store, emit: Callable[[SweepEvent], None], address: str | None) -> None:
    """Let Ray train. Raises ClusterError, ResourcesError."""
    from bansweep.cluster.sweep_run import run_sweep

    run_sweep(spec, graph, store, emit=emit, address=address)
