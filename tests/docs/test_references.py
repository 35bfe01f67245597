"""The generated references say what the models and the command line say now."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from bansweep.cli.app import app
from bansweep.cli.exit_status import ExitStatus

ROOT = Path(__file__).parents[2]
VERBS: dict[str, Any] = dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _generators_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs" / "generators")


def example(verb: str) -> str:
    lines = [line.strip() for line in VERBS[verb].help.splitlines()]
    (found,) = (line.removeprefix("Example: ") for line in lines if line.startswith("Example: "))
    return found


@pytest.mark.parametrize("name", ["sweep-file.md", "commands.md"])
def test_a_reference_is_up_to_date(name: str) -> None:
    import references

    written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert written == references.PAGES[name](), f"docs/reference/{name} is not up to date: run {references.COMMAND}"


def test_a_key_without_a_description_is_named() -> None:
    import sweep_file_reference

    from bansweep.config.base import SpecModel

    class Silent(SpecModel):
        key: int

    with pytest.raises(sweep_file_reference.UndescribedKeyError, match=r"Silent\.key has no description"):
        list(sweep_file_reference._table("silent", Silent, {}))


def test_every_verb_and_exit_status_is_described() -> None:
    import commands_reference

    page = commands_reference.page()
    assert set(commands_reference.STATUS_MEANING) == set(ExitStatus)
    for verb, command in VERBS.items():
        section = page.split(f"\n## {verb}\n")[1].split("\n## ")[0]
        options = [name for one in command.params if one.param_type_name == "option" for name in one.opts]
        assert [name for name in options if f"`{name}`" not in section] == []


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_the_example_of_a_verb_is_one(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:8265")
    program, named, *arguments = shlex.split(example(verb))
    assert (program, named) == ("bansweep", verb)
    # Reads the arguments as the command line does, and runs nothing.
    assert VERBS[verb].make_context(verb, arguments).params
