"""`bansweep run`: train what a sweep lacks, and print its table."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from bansweep.cli.exit_status import ExitStatus
from bansweep.cli.generation_states import ended_chains
from bansweep.cli.options import DEFAULT_STORE, AsJson, Budget, Only, Overrides, Rehearse, StoreLocation, SweepFile
from bansweep.cli.planning import SweepRequest, spent_hours, sweep_request
from bansweep.errors import BansweepError, StoreError
from bansweep.plan.candidates import variants
from bansweep.plan.chains import not_needed
from bansweep.plan.events import GenerationNotNeeded, SweepEvent
from bansweep.plan.plan import Plan
from bansweep.spec.data import is_text
from bansweep.spec.own_code import code_files
from bansweep.spec.sweep import SweepSpec
from bansweep.store.store import Store

if TYPE_CHECKING:
    from bansweep.cli.run_log import RunLog
    from bansweep.cli.sweep_state import SweepState
    from bansweep.tracking.protocol import SweepStatus

# At the end of a sweep the tracker may take this long to send what is left; the rest waits for `bansweep sync`.
TRACKING_TIMEOUT_S = 60.0
TRACKING_TIMEOUT_INTERRUPTED_S = 5.0


def run(
    context: typer.Context,
    sweep: SweepFile,
    store: StoreLocation = DEFAULT_STORE,
    overrides: Overrides = None,
    only: Only = None,
    rehearse: Rehearse = False,
    address: Annotated[
        str | None,
        typer.Option(help="A running Ray cluster's address; by default one is started here.", show_default=False),
    ] = None,
    budget: Budget = None,
    events: Annotated[
        str | None,
        typer.Option(
            help="Add each event to this file as a line of JSON; - is stdout, which then gets nothing else, and with "
            "--json the report in the last line.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """bansweep run sweeps/quickstart.yaml: train the generations that the store lacks, then print the table.

    Interrupted or failed, the same command goes on where it stopped; finished generations are never trained again.

    Example: bansweep run sweeps/table2.yaml --only 'densenet-90-60/ban*' --store ~/networks
    """
    limit = [] if budget is None else [f"budget.gpu_hours={budget}"]
    request = sweep_request(sweep, store, [*(overrides or ()), *limit], only, rehearse=rehearse)
    spec, graph, kept = request.spec, request.plan, request.store
    # From here on heavier packages are needed; nothing before costs a user with a wrong request seconds.
    from rich.console import Console

    from bansweep.cli.display import Display, MessageConsole
    from bansweep.cli.interruption import Interrupted, interruptible
    from bansweep.cli.progress.event_stream import ENDED_AS, STDOUT, event_stream
    from bansweep.cli.progress.pace import readable_records, sweep_pace
    from bansweep.cli.reporting import sweep_report
    from bansweep.cli.run_log import messages_stream, run_log
    from bansweep.cli.sweep_state import SweepState
    from bansweep.cli.tracking import finished_generations, tracker_of
    from bansweep.report.document import Outcome
    from bansweep.report.terminal import TerminalReport

    stream = context.with_resource(event_stream(graph, events))
    messages = MessageConsole(file=messages_stream(), highlight=False, markup=False)
    for generation_id, damage in kept.set_aside_damaged(graph.generations).items():
        messages.print(f"{graph.label(generation_id)} will be trained again: {damage}", soft_wrap=True)
    state = SweepState(graph, kept.finished(graph.generations))
    display = Display(state, messages)
    tracker = tracker_of(kept, spec.name)

    def emit(event: SweepEvent) -> None:
        state.handle(event)
        display.handle(event)
        stream.handle(event)
        tracker.handle(event)

    # Whatever ends the training early, what is finished is reported and tracked before it is told.
    ended_early: Interrupted | BansweepError | None = None
    log: RunLog | None = None
    stream.start(finished=len(state.reused))
    tracker.start(graph, sweep.read_text(encoding="utf-8"))
    left = set(state.left)
    left_out = {one: cause for one, cause in not_needed(graph, ended_chains(graph, kept)).items() if one in left}
    if len(left_out) == len(left):
        for generation_id, cause in left_out.items():
            emit(GenerationNotNeeded(generation_id, cause))
    else:
        _check_data(spec, graph)
        state.pace = sweep_pace(spec, graph, readable_records(kept, state.reused))
        try:
            with interruptible(), run_log(kept, spec.name) as log, display.shown():
                _train(spec, graph, kept, emit, address)
        except (Interrupted, BansweepError) as end:
            ended_early = end
    interrupted = isinstance(ended_early, Interrupted)
    outcome = Outcome(tuple(state.trained), tuple(state.reused), state.failed, state.blocked)
    report = sweep_report(request, ended_chains(graph, kept), outcome)
    if not only:  # a part of the table is no reason to lose the whole one
        try:
            for name, text in report.files.items():
                kept.write_sweep_file(spec.name, name, text)
        except StoreError as error:
            messages.print(f"the report is not kept: {error.cause}", soft_wrap=True)
    status = _status(state, interrupted=interrupted, failed=bool(state.failed or ended_early))
    summary = tracker.finish(
        lambda: finished_generations(graph, kept),
        {} if only else report.files,
        status,
        TRACKING_TIMEOUT_INTERRUPTED_S if interrupted else TRACKING_TIMEOUT_S,
    )

    events_on_stdout = events == STDOUT
    stream.end(ENDED_AS[status], state.amounts, report.document if as_json and events_on_stdout else None)
    if as_json and not events_on_stdout:
        typer.echo(json.dumps(report.document, indent=2))
    elif not as_json:
        (messages if events_on_stdout else Console()).print(TerminalReport(report.table))
    messages.print(f"{state.closing}; store: {request.location}, MLflow: {summary.uri}", soft_wrap=True)
    if log is not None and log.has_grown:
        messages.print(f"what libraries said meanwhile: {log.path}", soft_wrap=True)
    if summary.unsent or summary.error:
        messages.print(f"MLflow lacks {len(summary.unsent)} generations ({summary.error})", soft_wrap=True)
        options = [f" --set '{text}'" for text in overrides or ()] + [f" --only '{text}'" for text in only or ()]
        options += [" --rehearse"] * rehearse
        messages.print(f"  bansweep sync {sweep} --store {store}{''.join(options)} sends them", soft_wrap=True)
    if summary.models_error:
        messages.print(f"no models in MLflow: {summary.models_error}", soft_wrap=True)
    if isinstance(ended_early, Interrupted):
        messages.print(f"{ended_early.word}; the same command goes on from here")
        raise typer.Exit(ended_early.exit_status)
    if ended_early is not None:
        raise ended_early
    if state.failed:
        raise typer.Exit(ExitStatus.FAILED)
    if state.left:
        spent = _spent_text(request, state)
        messages.print(
            spent or f"{len(state.left)} generations are left; the same command goes on from here", soft_wrap=True
        )
        raise typer.Exit(ExitStatus.TERMINATED if spent else ExitStatus.FAILED)


def _status(state: SweepState, *, interrupted: bool, failed: bool) -> SweepStatus:
    if failed and not interrupted:
        return "FAILED"
    return "KILLED" if interrupted or state.left else "FINISHED"


def _spent_text(request: SweepRequest, state: SweepState) -> str | None:
    """That the budget is spent, where there is one and it is."""
    if request.spec.budget is None:
        return None
    limit, spent = request.spec.budget.gpu_hours, spent_hours(request)
    if spent < limit:
        return None
    return (
        f"the budget of {limit:g} device hours is spent ({spent:.3g} h): {len(state.left)} of "
        f"{len(state.plan.generations)} generations are left\n"
        f"  a larger one goes on from here, such as --budget {max(2 * limit, 1.0):g}"
    )


def _check_data(spec: SweepSpec, graph: Plan) -> None:
    """Prepare the data, and see that everything suits it, while that is cheap to mend. Raises RequestError."""
    from bansweep.data.images import load_images
    from bansweep.data.prepare import prepare
    from bansweep.data.suitability import check_suitable, check_text_suitable
    from bansweep.data.text import load_text
    from bansweep.spec.networks import is_language_model
    from bansweep.spec.recipes import LanguageRecipe

    folder = prepare(spec.data)
    pairs = {
        (variant.recipe, variant.network)
        for generation in graph.generations.values()
        for variant in variants(generation)
    }
    if is_text(spec.data):
        text = load_text(spec.data, folder)
        for recipe, _ in pairs:
            assert isinstance(recipe, LanguageRecipe)
            check_text_suitable(recipe, text)
        _try_own_code(spec, graph, None, len(text.vocabulary))
        return
    images = load_images(spec.data, folder)
    for recipe, network in pairs:
        assert not isinstance(recipe, LanguageRecipe)
        assert not is_language_model(network)
        check_suitable(recipe, network, images)
    _try_own_code(spec, graph, images.input_shape, len(images.classes))


def _try_own_code(spec: SweepSpec, graph: Plan, input_shape: tuple[int, int, int] | None, classes: int) -> None:
    """Raises RequestError where code of the user's own fails."""
    if code_files(spec):
        from bansweep.training.own_code_tried import try_own_code

        tried = [variant for generation in graph.generations.values() for variant in variants(generation)]
        try_own_code(tried, input_shape=input_shape, classes=classes)


def _train(spec: SweepSpec, graph: Plan, store: Store, emit: Callable[[SweepEvent], None], address: str | None) -> None:
    """Let Ray train. Raises ClusterError, ResourcesError."""
    from bansweep.cluster.sweep_run import run_sweep

    run_sweep(spec, graph, store, emit=emit, address=address)
