"""`bansweep report`: the table, from what the store holds now."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from bansweep.cli.options import DEFAULT_STORE, AsJson, Only, Overrides, StoreFolder, SweepFile
from bansweep.cli.plan import generation_states
from bansweep.cli.planning import plan_of
from bansweep.errors import RequestError
from bansweep.store.store import Store


class Format(StrEnum):
    """How a report is written."""

    TEXT = "text"
    MARKDOWN = "md"
    CSV = "csv"
    JSON = "json"


def report(
    sweep: SweepFile,
    store: StoreFolder = DEFAULT_STORE,
    overrides: Overrides = None,
    only: Only = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="How the table is written: text unless said otherwise.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """bansweep report sweeps/quickstart.yaml --format md: the sweep's table beside the paper's."""
    if as_json and form not in (None, Format.JSON):
        raise RequestError(f"--json and --format {form} exclude each other", remedy="leave one of them out")
    spec, graph = plan_of(sweep, overrides, only)
    kept = Store(store)
    from rich.console import Console

    from bansweep.report.comma_separated import comma_separated
    from bansweep.report.document import Outcome, report_document
    from bansweep.report.markdown import markdown
    from bansweep.report.table import report_table
    from bansweep.report.terminal import TerminalReport

    table = report_table(graph, kept, paper=spec.paper)
    match Format.JSON if as_json else form:
        case None | Format.TEXT:
            Console().print(TerminalReport(table))
        case Format.MARKDOWN:
            typer.echo(markdown(table), nl=False)
        case Format.CSV:
            typer.echo(comma_separated(table), nl=False)
        case Format.JSON:
            states = generation_states(graph, kept)
            outcome = Outcome(reused=tuple(one for one in states if states[one] == "finished"))
            typer.echo(json.dumps(report_document(graph, table.cells, outcome, table.damaged), indent=2))
