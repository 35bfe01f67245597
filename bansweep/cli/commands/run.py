"""`bansweep run`: train what a sweep lacks, and print its table."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from bansweep.cli.exit_status import ExitStatus, Interrupted, interruptible
from bansweep.cli.options import AsJson, Budget, Only, Overrides, Rehearse, StoreLocation, SweepFile
from bansweep.formatting import duration_text, setting_text
from bansweep.service.request import SweepRequest, spent_hours, sweep_request
from bansweep.store.location import DEFAULT_STORE


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
    changes = [*(overrides or ()), *limit]
    request = sweep_request(sweep, store, changes, only, rehearse=rehearse, to_run=True, address=address)
    # Import heavier packages only now, so that a wrong request fails fast.
    from rich.console import Console

    from bansweep.report.terminal import TerminalReport
    from bansweep.service.display import MessageConsole
    from bansweep.service.event_stream import ENDED_AS, STDOUT, event_stream
    from bansweep.service.run_log import messages_stream
    from bansweep.service.running import run_request

    stream = context.with_resource(event_stream(request.plan, events))
    messages = MessageConsole(file=messages_stream(), highlight=False, markup=False)
    end = run_request(request, messages, address=address, stream=stream, interruptible=interruptible)
    events_on_stdout = events == STDOUT
    document = end.report.document
    stream.end(ENDED_AS[end.status], end.state.amounts, document if as_json and events_on_stdout else None)
    if as_json and not events_on_stdout:
        typer.echo(json.dumps(document, indent=2))
    elif not as_json:
        (messages if events_on_stdout else Console()).print(TerminalReport(end.report.table))
    for line in end.messages():
        messages.print(line, soft_wrap=True)
    if isinstance(end.stopped_by, Interrupted):
        messages.print(f"{end.stopped_by.word}; the same command goes on from here")
        raise typer.Exit(end.stopped_by.exit_status)
    if end.stopped_by is not None:
        raise end.stopped_by
    if end.state.failed:
        raise typer.Exit(ExitStatus.FAILED)
    if left := len(end.state.left):
        spent = _spent_text(request, left)
        messages.print(spent or f"{left} generations are left; the same command goes on from here", soft_wrap=True)
        raise typer.Exit(ExitStatus.TERMINATED if spent else ExitStatus.FAILED)


def _spent_text(request: SweepRequest, left: int) -> str | None:
    """The message that the budget is spent; None if there is none or it is not."""
    if request.spec.budget is None:
        return None
    limit, spent = request.spec.budget.gpu_hours, spent_hours(request)
    if spent < limit:
        return None
    return (
        f"the budget of {setting_text(limit)} device hours is spent ({duration_text(spent * 3600)}): {left} of "
        f"{len(request.plan.generations)} generations are left\n"
        f"  a larger one resumes the sweep, such as --budget {setting_text(max(2 * limit, 1.0))}"
    )
