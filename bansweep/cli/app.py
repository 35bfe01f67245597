"""The command line: its commands, exit statuses, and the wording of errors."""

from __future__ import annotations

import gc
import io
import os
import sys

import typer

from bansweep import __version__
from bansweep.cli.commands.check import check
from bansweep.cli.commands.data import data
from bansweep.cli.commands.deploy import deploy
from bansweep.cli.commands.diff import diff
from bansweep.cli.commands.export import export
from bansweep.cli.commands.jobs import logs, stop, submit
from bansweep.cli.commands.networks import networks
from bansweep.cli.commands.plan import plan
from bansweep.cli.commands.report import report
from bansweep.cli.commands.run import run
from bansweep.cli.commands.show import show
from bansweep.cli.commands.status import status
from bansweep.cli.commands.sync import sync
from bansweep.cli.commands.ui import ui
from bansweep.cli.exit_status import ExitStatus
from bansweep.errors import BansweepError, RequestError

_NEW_OBJECTS_A_COLLECTION = 100_000

app = typer.Typer(
    name="bansweep",
    help="bansweep run sweeps/quickstart.yaml: train networks that teach each other, on Ray.\n\n"
    "A sweep file says which generations you want; each distinct one is trained once and kept in the store.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (
    run,
    check,
    plan,
    status,
    report,
    show,
    diff,
    export,
    networks,
    data,
    sync,
    ui,
    submit,
    logs,
    stop,
    deploy,
):
    app.command()(command)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Show the version."),
) -> None:
    pass


def main() -> None:
    """Entry point: every BansweepError is one message and an exit status, never a traceback."""
    # A plan's objects stay until the process ends. Garbage collection during their creation finds none, and takes more
    # than half of the time of reading a large sweep file.
    gc.set_threshold(_NEW_OBJECTS_A_COLLECTION)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a character shows another one instead of failing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except RequestError as error:
        typer.echo(f"bansweep: {error}", err=True)
        sys.exit(ExitStatus.BAD_REQUEST)
    except BansweepError as error:
        typer.echo(f"bansweep: {error}", err=True)
        sys.exit(ExitStatus.FAILED)
    except KeyboardInterrupt:
        # Typer does the same within a command.
        sys.exit(ExitStatus.INTERRUPTED)
    except BrokenPipeError:
        # The reader of the output closed the pipe (`| head`); Python would report that again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitStatus.DONE)
