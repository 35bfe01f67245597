"""`bansweep check`: validate sweep files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bansweep.cli.exit_status import ExitStatus
from bansweep.cli.options import AsJson, Overrides
from bansweep.config.reading import read_sweep
from bansweep.errors import Problem, SweepFileError


def check(
    sweeps: Annotated[list[Path], typer.Argument(metavar="SWEEP...", help="Sweep files.", show_default=False)],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """bansweep check sweeps/*.yaml: validate sweep files, and say everything that is wrong at once.

    Example: bansweep check sweeps/table2.yaml --set recipe.epochs=20 --set 'seeds=[0, 1, 2]'
    """
    problems: list[Problem] = []
    for path in sweeps:
        try:
            read_sweep(path, overrides or ())
        except SweepFileError as error:
            problems += error.problems
        else:
            if not as_json:
                typer.echo(f"{path}: ok")
    if as_json:
        errors = [
            {"file": problem.file, "line": problem.line, "key": problem.key, "message": problem.message}
            for problem in problems
        ]
        typer.echo(json.dumps({"ok": not problems, "errors": errors}, indent=2))
    else:
        for problem in problems:
            typer.echo(str(problem), err=True)
    if problems:
        raise typer.Exit(ExitStatus.BAD_REQUEST)
