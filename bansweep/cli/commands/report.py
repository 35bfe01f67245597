"""`bansweep report`: the table from the store's current content, and the page with all figures."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bansweep.cli.options import AsJson, Only, Overrides, Rehearse, StoreLocation, SweepFile
from bansweep.errors import RequestError
from bansweep.service.generation_states import generation_states
from bansweep.service.request import SweepRequest, local_folder, sweep_request
from bansweep.store.location import DEFAULT_STORE

if TYPE_CHECKING:
    from bansweep.service.sweep_report import SweepReport


PAGE = "report.html"
# A partial table must not replace the whole one.
_PAGE_OF_A_PART = "report-part.html"


class Format(StrEnum):
    """How a report is written."""

    TEXT = "text"
    HTML = "html"
    MARKDOWN = "md"
    CSV = "csv"
    LATEX = "latex"
    JSON = "json"


def report(
    sweep: SweepFile,
    store: StoreLocation = DEFAULT_STORE,
    overrides: Overrides = None,
    only: Only = None,
    rehearse: Rehearse = False,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="How it is written: text unless said otherwise. html makes a page in the store, and prints where.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write it to this file.", metavar="FILE", show_default=False),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Make the page, and open it in a browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """bansweep report sweeps/quickstart.yaml --open: the sweep's table beside the paper's, with pictures.

    Example: bansweep report sweeps/table2.yaml --store ~/networks --format md
    """
    form = _format(form, open_page=open_page, as_json=as_json)
    request = sweep_request(sweep, store, overrides, only, rehearse=rehearse)
    from bansweep.report.document import Outcome
    from bansweep.service.sweep_report import sweep_report

    states = generation_states(request.plan, request.store)
    made = sweep_report(request, states.ends, Outcome(reused=states.finished))
    if form is Format.HTML:
        place = _written_page(request, made, output, part=bool(only))
        typer.echo(place)
        if open_page:
            typer.launch(str(place))
    elif output is not None:
        _write(output, _text(made, form))
        typer.echo(output)
    elif form is Format.TEXT:
        from rich.console import Console

        from bansweep.report.terminal import TerminalReport

        Console().print(TerminalReport(made.table))
    else:
        typer.echo(_text(made, form), nl=False)


def _format(form: Format | None, *, open_page: bool, as_json: bool) -> Format:
    """The one format that the options ask for. Raises RequestError where they exclude each other."""
    asked = {"--json": Format.JSON if as_json else None, "--open": Format.HTML if open_page else None}
    options = [option for option, meant in asked.items() if meant not in (None, form)]
    if form is not None and options:
        raise RequestError(f"{options[0]} and --format {form} exclude each other", remedy="leave one of them out")
    if as_json and open_page:
        raise RequestError("--json and --open exclude each other", remedy="leave one of them out")
    return form or next((meant for meant in asked.values() if meant is not None), Format.TEXT)


def _text(made: SweepReport, form: Format) -> str:
    from bansweep.report.document import comma_separated
    from bansweep.report.latex import latex
    from bansweep.report.markdown import markdown

    match form:
        case Format.MARKDOWN:
            return markdown(made.table)
        case Format.CSV:
            return comma_separated(made.table)
        case Format.LATEX:
            return latex(made.table)
        case Format.JSON:
            return json.dumps(made.document, indent=2) + "\n"
        case _:
            return _as_plain_text(made)


def _as_plain_text(made: SweepReport) -> str:
    """The terminal's table for a file, with a fixed width."""
    import io

    from rich.console import Console

    from bansweep.report.terminal import TerminalReport

    text = io.StringIO()
    Console(file=text, width=120).print(TerminalReport(made.table))
    return text.getvalue()


def _written_page(request: SweepRequest, made: SweepReport, output: Path | None, *, part: bool) -> Path:
    """Writes the page to `output`, by default into the sweep's folder in the store, and returns its path.

    For an object store, which no browser opens, it is in this machine's folder for that store.
    """
    name = _PAGE_OF_A_PART if part else PAGE
    if output is not None:
        _write(output, made.page)
        return output
    if not request.store.exists:
        raise RequestError(
            f"no store at {request.location} to keep the page in",
            remedy="--store STORE names one that bansweep run has written to; --output FILE writes the page elsewhere",
        )
    if request.store.directory is not None:
        request.store.write_sweep_file(request.spec.name, name, made.page)
        return request.store.directory / "sweeps" / request.spec.name / name
    place = local_folder(request.store) / "sweeps" / request.spec.name / name
    place.parent.mkdir(parents=True, exist_ok=True)
    _write(place, made.page)
    return place


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RequestError(
            f"cannot write {file}: {error.strerror}", remedy="--output names a file in a folder that can be written"
        ) from error
