"""The verbs that need no cluster, called in-process; and what every verb owes its users."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main
from demo_sweep import SWEEP, Command, ended, ids_of, plan_of
from made_up_generation import publish_made_up
from typer.testing import CliRunner, Result

from bansweep.cli.app import app
from bansweep.formatting import duration_text
from bansweep.graph.results import EpochReport
from bansweep.store.store import Store

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
    cost = document["cost"]
    assert [cost[key] for key in ("generations", "epochs", "critical_path_generations")] == [4, 16, 3]
    assert not (tmp_path / "store").exists(), "looking at a plan writes nothing"


def cost_of(*arguments: object) -> dict[str, Any]:
    cost: dict[str, Any] = json.loads(invoke("plan", *arguments, "--json").stdout)["cost"]
    return cost


def test_plan_estimates_by_operation_counts(sweep_file: Path, tmp_path: Path) -> None:
    arguments = (sweep_file, "--store", tmp_path / "store")
    cost = cost_of(*arguments)
    assert (cost["measured"], cost["estimated"]) == (0, 4)
    assert list(cost["hours"]) == list(cost["critical_path_hours"]) == list(cost["rate"]) == ["gpu", "cpu"]
    # Passes over images: three of the student, one of its teacher; 100 are held out, for each epoch and the end.
    taught, untaught = 4 * 4 * 256 + 5 * 100, 4 * 3 * 256 + 5 * 100
    chain = (untaught + 2 * taught) / (untaught + 3 * taught)
    assert cost["critical_path_hours"]["cpu"] / cost["hours"]["cpu"] == pytest.approx(chain)
    # 77,562 parameters and ten probabilities of each of 100 images, four bytes each, of four generations.
    assert cost["disk_gb"] == pytest.approx(4 * 4 * (77_562 + 1000) / 1e9)
    longer = (*arguments, "--set", "recipe.epochs=40000", "--set", "resources.gpus_per_worker=0")
    hours, chain_hours = (cost_of(*longer)[key]["cpu"] for key in ("hours", "critical_path_hours"))
    assert hours == pytest.approx(cost["hours"]["cpu"] * 10_000, rel=0.05)
    total, chain_time = duration_text(3600 * hours), duration_text(3600 * chain_hours)
    text = invoke("plan", *longer).stdout
    assert f"\nestimated: {total} of CPU time; longest chain {chain_time}; disk 1.3 MB\n" in text
    assert "  computed from operation counts, not measured: 50 GFLOP/s a core\n" in text


def test_plan_says_what_bf16_would_take_on_a_gpu(sweep_file: Path, tmp_path: Path) -> None:
    arguments = (sweep_file, "--store", tmp_path / "store", "--set", "resources.gpus_per_worker=1")
    large = (*arguments, "--set", "networks=[wrn-28-10]", "--set", "data=cifar10", "--set", "recipe.batch_size=128")
    assert cost_of(*large)["bf16_share"] == pytest.approx(8.5 / 125, rel=0.01)
    line = "  fp32 on a GPU computes without TF32; bf16 would take about 0.07 of that (resources.precision, other "
    assert line in invoke("plan", *large).stdout
    assert "bf16 would take as long" in invoke("plan", *arguments).stdout, "launches take as long"
    for change in ("resources.precision=bf16", "resources.gpus_per_worker=0"):
        assert "TF32" not in invoke("plan", *large, "--set", change).stdout
        assert cost_of(*large, "--set", change)["bf16_share"] is None


def test_plan_estimates_by_measured_times(sweep_file: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    graph = plan_of(sweep_file)
    teacher = graph.generations[ids_of(graph)["teacher"]]
    record = publish_made_up(store, teacher, training_seconds=7200.0, device="x86_64 CPU") / "generation.json"
    arguments = (sweep_file, "--store", store.directory)
    cost = cost_of(*arguments)
    assert cost["generations"] == cost["measured"] == 3
    assert cost["estimated"] == 0
    # A student's epoch: four passes over 256 images and one over 100, against three and one.
    assert cost["hours"] == {"cpu": pytest.approx(3 * 2.0 * (4 * 256 * 4 + 5 * 100) / (3 * 256 * 4 + 5 * 100))}
    assert "  by times measured in this store\n" in invoke("plan", *arguments).stdout
    other = record.parent.with_name("0123456789abcdef")
    other.mkdir()
    (other / "generation.json").write_text(record.read_text()[:-9])
    assert cost_of(*arguments) == cost, "what is damaged says nothing"
    assert "estimated" not in invoke("plan", *arguments, "--only", "teacher").stdout


def test_plan_does_not_count_compiling_in_every_epoch(sweep_file: Path, tmp_path: Path) -> None:
    graph = plan_of(sweep_file)
    teacher = graph.generations[ids_of(graph)["teacher"]]
    epochs = teacher.recipe.epochs
    compiled, uncompiled = Store(tmp_path / "compiled"), Store(tmp_path / "uncompiled")
    seconds = [900.0, *[10.0] * (epochs - 1)]
    history = [EpochReport(one + 1, epochs, took, 0.0, {}) for one, took in enumerate(seconds)]
    measured = {"device": "x86_64 CPU", "history": history}
    publish_made_up(compiled, teacher, training_seconds=sum(seconds), compiled_epochs=epochs, **measured)
    publish_made_up(uncompiled, teacher, training_seconds=10.0 * epochs, compiled_epochs=0, **measured)
    of_compiled, of_uncompiled = (cost_of(sweep_file, "--store", one.directory) for one in (compiled, uncompiled))
    assert of_compiled["hours"] == of_uncompiled["hours"]


def test_plan_says_what_it_cannot_know(sweep_file: Path, tmp_path: Path) -> None:
    for folder in ("train/cat", "train/dog", "test/cat"):
        image = tmp_path / "images" / folder / "0.png"
        image.parent.mkdir(parents=True)
        image.write_bytes(b"is read when the data are prepared, not before")
    arguments = (sweep_file, "--store", tmp_path / "store", "--set", f"data={{kind: folder, root: {tmp_path}/images}}")
    result = invoke("plan", *arguments)
    assert result.exit_code == 0, result.output
    assert "estimated: unknown for 4 of 4 generations: how large the folder data are is known once" in result.stdout
    cost = cost_of(*arguments)
    assert cost["hours"] == cost["critical_path_hours"] == {"gpu": None, "cpu": None}
    assert cost["disk_gb"] is None


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
