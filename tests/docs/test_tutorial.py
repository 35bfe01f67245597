"""What docs/tutorial.md tells people to type is right, and the plans that it shows are those that are printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from bansweep.cli.app import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line for language, text in BLOCKS for line in text.splitlines() if language == "sh" and line.startswith("bansweep ")
]
VERBS: dict[str, Any] = dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's folder, with the sweep file in it and nothing trained."""
    (sweep,) = (text for language, text in BLOCKS if language == "yaml")
    (tmp_path / "first.yaml").write_text(sweep, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BANSWEEP_STORE", raising=False)
    return tmp_path


def run(command: str) -> tuple[int, list[str]]:
    _, *arguments = shlex.split(command)
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, [*result.stdout.splitlines(), *result.stderr.splitlines()]


def shown_after(command: str) -> list[str]:
    """The lines of the block that follows a command."""
    places = [index for index, (language, text) in enumerate(BLOCKS) if language == "sh" and command in text]
    return BLOCKS[places[0] + 1][1].splitlines()


def test_the_tutorial_goes_the_whole_way() -> None:
    verbs = [shlex.split(command)[1] for command in COMMANDS]
    assert {"check", "plan", "run", "status", "report", "diff", "show", "ui"} == set(verbs)


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_a_command_is_one(command: str) -> None:
    _, verb, *arguments = shlex.split(command)
    # Reads the arguments as the command line does, and runs nothing.
    assert VERBS[verb].make_context(verb, arguments).params


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("bansweep check")])
def test_check_says_what_is_shown(command: str) -> None:
    status, lines = run(command)
    assert lines == shown_after(command)
    assert status == (0 if lines == ["first.yaml: ok"] else 2)


@pytest.mark.usefixtures("folder")
def test_the_first_plan_is_the_one_that_is_shown() -> None:
    status, lines = run("bansweep plan first.yaml")
    assert status == 0
    # How fast a core is thought to be may change; what is to be trained may not.
    estimates = re.compile("estimated|  computed from operation counts|  fp32 on a GPU")
    wanted = [line for line in shown_after("bansweep plan first.yaml") if not estimates.match(line)]
    assert [line for line in lines if not estimates.match(line)] == wanted


def generations_in(lines: list[str]) -> list[tuple[str, str, str]]:
    """Column, loss and id of each generation that a plan lists."""
    generation = re.compile(r"wrn-10-1 / (\S+) +(\S+) +([0-9a-f]{16})")
    return [found for line in lines for found in generation.findall(line)]


@pytest.mark.usefixtures("folder")
def test_a_changed_loss_is_another_generation_of_the_same_teacher() -> None:
    command = "bansweep plan first.yaml --set generations.ban.loss=kd+labels"
    status, lines = run(command)
    assert status == 0
    wanted = generations_in(shown_after(command))
    assert len(wanted) == 3
    assert generations_in(lines) == wanted
