"""docs/reference/commands.md: every command, from the command line itself (bansweep/cli/)."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer.main
from status import STATUS

from bansweep.cli.app import app
from bansweep.cli.exit_status import ExitStatus

_INTRODUCTION = f"""\
# Reference: the commands

{STATUS}

Every command with its options, from the command line itself (`bansweep/cli/`); written by
`python docs/generators/references.py`, so do not edit it. `bansweep COMMAND --help` prints the same.
[The tutorial](../tutorial.md) uses most of them; what a sweep file may say is in [its reference](sweep-file.md).

`bansweep --install-completion` teaches your shell to complete commands and options; `bansweep --show-completion` prints
what it would add. `bansweep --version` says which version this is.
"""

STATUS_MEANING = {
    ExitStatus.DONE: "done",
    ExitStatus.FAILED: "something failed: a generation (the others are finished and kept), the store, the cluster",
    ExitStatus.BAD_REQUEST: "what was asked for is wrong; nothing was started",
    ExitStatus.TERMINATED: "ended early, by SIGTERM or because the budget is spent; the same command goes on",
    ExitStatus.INTERRUPTED: "Ctrl-C; the same command goes on",
}
_SEVERAL_WAYS_TO_END = {"run"}
_AS_THE_SWEEP_ENDS = {
    "submit": "with `--follow` that of the sweep",
    "logs": "with `--follow` that of the sweep",
}
EXAMPLE = "Example: "
_WORDS: dict[object, str] = {int: "whole number", float: "number", str: "text", Path: "path", bool: ""}


def page() -> str:
    """The whole page."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    texts = [_INTRODUCTION, f"Commands: {', '.join(f'[{name}](#{name})' for name in commands)}.\n"]
    texts += ["## Exit status\n", "| status | meaning |\n| --- | --- |"]
    texts += [f"| {status.value} | {STATUS_MEANING[status]} |" for status in ExitStatus]
    for name, command in commands.items():
        texts += ["", f"## {name}\n", *_command(name, command)]
    return "\n".join(texts).rstrip() + "\n"


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    usage = " ".join(_argument_text(one) for one in arguments)
    yield f"```sh\nbansweep {name} [OPTIONS] {usage}".rstrip() + "\n```\n"
    text = inspect.cleandoc(command.help)
    paragraphs = [paragraph for paragraph in text.split("\n\n") if not paragraph.startswith(EXAMPLE)]
    yield "\n\n".join(_with_code(paragraph) for paragraph in paragraphs) + "\n"
    if examples := [paragraph.removeprefix(EXAMPLE) for paragraph in text.split("\n\n") if paragraph not in paragraphs]:
        yield "Example:\n\n```sh\n" + "\n".join(examples) + "\n```\n"
    if arguments:
        yield "| argument | |\n| --- | --- |"
        yield from (f"| `{one.metavar or one.name}` | {_in_a_cell(one.help or '')} |" for one in arguments)
        yield ""
    yield "| option | takes | default | |\n| --- | --- | --- | --- |"
    for one in options:
        names = ", ".join(f"`{name}`" for name in (*one.opts, *one.secondary_opts))
        yield f"| {names} | {_takes(one)} | {_default(one)} | {_in_a_cell(one.help or '')} |"
    yield ""
    yield f"Exit status: {_exits(name)}."


def _with_code(paragraph: str) -> str:
    """The command with which a help text begins, set as one."""
    start, colon, rest = paragraph.partition(": ")
    return f"`{start}`: {rest}" if colon and start.startswith("bansweep ") else paragraph


def _argument_text(argument: Any) -> str:
    name = argument.metavar or argument.name
    return name if argument.required else f"[{name}]"


def _takes(option: Any) -> str:
    wanted = option.type_descriptor.annotation
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        text = ", ".join(f"`{member.value}`" for member in wanted)
    else:
        text = f"`{option.metavar}`" if option.metavar else _WORDS.get(wanted, "text")
    if option.min is not None and option.max is not None:
        text += f", {option.min:,} to {option.max:,}"
    return text + (", repeatable" if option.multiple else "")


def _default(option: Any) -> str:
    known = "required" if option.required else ""
    if not known and option.default not in (None, False, ()):
        value = option.default.value if isinstance(option.default, Enum) else option.default
        known = f"`{value}`"
    variable = f"`${option.envvar}`" if option.envvar else ""
    return ", else ".join(filter(None, (variable, known)))


def _exits(name: str) -> str:
    usual = [ExitStatus.DONE, ExitStatus.FAILED, ExitStatus.BAD_REQUEST, ExitStatus.INTERRUPTED]
    statuses = list(ExitStatus) if name in _SEVERAL_WAYS_TO_END else usual
    text = ", ".join(f"{status.value}" for status in statuses)
    return f"{text}; {_AS_THE_SWEEP_ENDS[name]}" if name in _AS_THE_SWEEP_ENDS else text


def _in_a_cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
