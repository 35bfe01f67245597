"""The verbs that need no cluster, called in-process; and what every verb owes its users."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
import typer.main
from demo_sweep import SWEEP, Command, ended
from typer.testing import CliRunner, Result

from bansweep.cli.app import app

ROOT = Path(__file__).parents[2]


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def verbs() -> dict[str, click.Command]:
    group = typer.main.get_command(app)
    return dict(group.commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_help_begins_with_an_example(verb: str) -> None:
    result = invoke(verb, "--help")
    assert result.exit_code == 0
    assert (verbs()[verb].help or "").startswith(f"bansweep {verb}")


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_the_readme_lists_every_verb(verb: str) -> None:
    assert re.search(rf"^\| `bansweep {verb}\b", (ROOT / "README.md").read_text(), re.MULTILINE)


def test_check_accepts_and_explains(sweep_file: Path) -> None:
    assert "ok" in invoke("check", sweep_file).stdout
    sweep_file.write_text(SWEEP.replace("loss: cwtm", "loss: cwtn"))
    result = invoke("check", sweep_file)
    assert result.exit_code == 2
    assert result.stderr == f"{sweep_file}:8: generations.cwtm.loss: unknown kind 'cwtn'; did you mean 'cwtm'?\n"
    document = json.loads(invoke("check", sweep_file, "--json").stdout)
    assert document == {
        "ok": False,
        "errors": [
            {
                "file": str(sweep_file),
                "line": 8,
                "key": "generations.cwtm.loss",
                "message": "unknown kind 'cwtn'; did you mean 'cwtm'?",
            }
        ],
    }


def test_plan_shows_the_graph(sweep_file: Path, tmp_path: Path) -> None:
    text = invoke("plan", sweep_file, "--store", tmp_path / "store").stdout
    assert "5 cells, 4 distinct generations, 0 finished" in text
    document = json.loads(invoke("plan", sweep_file, "--store", tmp_path / "store", "--json").stdout)
    by_column = {generation["columns"][0]: generation for generation in document["generations"]}
    assert list(by_column) == ["teacher", "ban", "cwtm", "ban-2"]
    assert by_column["ban-2"]["teacher"] == by_column["ban"]["id"]
    assert by_column["ban-2"]["generation_index"] == 2
    assert {generation["state"] for generation in document["generations"]} == {"waiting"}
    assert document["ensembles"][0]["members"] == [by_column["ban"]["id"], by_column["ban-2"]["id"]]
    assert {generation["replica_seed"] for generation in document["generations"]} == {0}
    assert "to train: 4 generations, 16 epochs; longest chain 3 generations" in text
    assert document["cost"] == {"generations": 4, "epochs": 16, "critical_path_generations": 3}
    assert not (tmp_path / "store").exists(), "looking at a plan writes nothing"


def test_only_and_set_shape_the_plan(sweep_file: Path, tmp_path: Path) -> None:
    arguments = ("plan", sweep_file, "--store", tmp_path, "--json", "--only", "ban", "--set", "seeds=[3,4]")
    generations = json.loads(invoke(*arguments).stdout)["generations"]
    assert [generation["columns"] for generation in generations] == [["teacher"], ["ban"]] * 2


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["check", "nowhere.yaml"], 2, "nowhere.yaml: no such file or directory"),
        (["plan", "nowhere.yaml"], 2, "no such file or directory"),
        (["plan", "{sweep}", "--only", "densenet"], 2, "rows: wrn-10-1"),
        (["plan", "{sweep}", "--set", "recipe.epocs=1"], 2, "did you mean 'epochs'?"),
        (["plan", "{sweep}", "--set", "data.validation=5000"], 2, "validation"),
        (["show", "0123456789abcdef", "--store", "{tmp}"], 2, "no finished generation '0123456789abcdef'"),
        (["show", "../../etc", "--store", "{tmp}"], 2, "'../../etc' is no generation's id"),
        (["show", "0123456789abcdef", "--store", "{tmp}/none"], 2, "no store at {tmp}/none"),
        (["report", "{sweep}", "--json", "--format", "csv"], 2, "--json and --format csv exclude each other"),
        (["ui", "--store", "{tmp}/none"], 2, "no store at {tmp}/none"),
        (["data", "cifar11"], 2, "did you mean 'cifar10'?"),
        (["data", "cifar10", "--root", "{tmp}"], 2, "{tmp}"),
    ],
)
def test_bad_requests_are_one_message(
    arguments: list[str],
    status: int,
    message: str,
    sweep_file: Path,
    tmp_path: Path,
    start: Command,
) -> None:
    places = {"sweep": sweep_file, "tmp": tmp_path}
    filled = [argument.format(**places) for argument in arguments]
    out, err = ended(start(*filled), status)
    assert message.format(**places) in err
    assert out == ""
