"""`bansweep report`: the table, from what the store holds now."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from bansweep.cli.generation_states import generation_states
from bansweep.cli.options import DEFAULT_STORE, AsJson, Only, Overrides, Rehearse, StoreLocation, SweepFile
from bansweep.cli.planning import sweep_request
from bansweep.errors import RequestError


class Format(StrEnum):
    """How a report is written."""

    TEXT = "text"
    MARKDOWN = "md"
    CSV = "csv"
    JSON = "json"


def report(
    sweep: SweepFile,
    store: StoreLocation = DEFAULT_STORE,
    overrides: Overrides = None,
    only: Only = None,
    rehearse: Rehearse = False,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="How the table is written: text unless said otherwise.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """bansweep report sweeps/quickstart.yaml --format md: the sweep's table beside the paper's."""
    if as_json and form not in (None, Format.JSON):
        raise RequestError(f"--json and --format {form} exclude each other", remedy="leave one of them out")
    request = sweep_request(sweep, store, overrides, only, rehearse=rehearse)
    from rich.console import Console

    from bansweep.cli.reporting import sweep_report
    from bansweep.report.comma_separated import comma_separated
    from bansweep.report.document import Outcome
    from bansweep.report.markdown import markdown
    from bansweep.report.terminal import TerminalReport

    states = generation_states(request.plan, request.store)
    made = sweep_report(request, states.ends, Outcome(reused=states.finished))
    match Format.JSON if as_json else form:
        case None | Format.TEXT:
            Console().print(TerminalReport(made.table))
        case Format.MARKDOWN:
            typer.echo(markdown(made.table), nl=False)
        case Format.CSV:
            typer.echo(comma_separated(made.table), nl=False)
        case Format.JSON:
            typer.echo(json.dumps(made.document, indent=2))
