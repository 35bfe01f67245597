"""What the verbs say of a store in which generations are finished, damaged or missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from demo_sweep import ids_of, plan_of
from made_up_generation import publish_made_up
from typer.testing import CliRunner, Result

from bansweep.cli.app import app
from bansweep.config.reading import parse_sweep
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import Plan
from bansweep.store.parquet_tables import TokenPredictions
from bansweep.store.store import Store


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def plan(sweep_file: Path) -> Plan:
    return plan_of(sweep_file)


@pytest.fixture
def ids(plan: Plan) -> dict[str, str]:
    return ids_of(plan)


@pytest.fixture
def store(tmp_path: Path, plan: Plan, ids: dict[str, str]) -> Store:
    """`teacher` and `ban` are finished."""
    store = Store(tmp_path / "store")
    for generation_id in (ids["teacher"], ids["ban"]):
        publish_made_up(
            store,
            plan.generations[generation_id],
            label=plan.label(generation_id),
            metrics={"test_error": 10 / 3, "test_loss": 0.5, "learning_rate": 0.0008},
        )
    return store


def damage_record(store: Store, generation_id: str) -> Path:
    file = store.directory / "generations" / generation_id / "generation.json"
    file.write_text(file.read_text().replace('"here"', '"there"'))
    return file


def test_a_damaged_record_is_not_called_finished(sweep_file: Path, store: Store, ids: dict[str, str]) -> None:
    damage_record(store, ids["ban"])
    document = json.loads(invoke("plan", sweep_file, "--store", store.directory, "--json").stdout)
    states = {generation["columns"][0]: generation["state"] for generation in document["generations"]}
    assert states == {"teacher": "finished", "ban": "damaged", "cwtm": "waiting", "ban-2": "waiting"}
    assert document["cost"]["generations"] == 3
    lines = invoke("status", sweep_file, "--store", store.directory).stdout.splitlines()
    assert lines == [
        "demo: 1 finished, 0 started, 2 waiting, 1 damaged",
        f"  wrn-10-1 / ban: damaged; bansweep show {ids['ban']} --store {store.directory} says what is wrong",
    ]


def test_status_names_a_store_that_is_not_there(sweep_file: Path, tmp_path: Path) -> None:
    lines = invoke("status", sweep_file, "--store", tmp_path / "none").stdout.splitlines()
    assert lines == [f"no store at {tmp_path / 'none'} yet", "demo: 0 finished, 0 started, 4 waiting"]


def test_show_in_the_units_of_people(store: Store, ids: dict[str, str]) -> None:
    lines = invoke("show", ids["ban"], "--store", store.directory).stdout.splitlines()
    assert "  recipe      4 epochs, batch size 32, learning rate 0.02" in lines
    assert "  test error  3.33 %" in lines
    assert "  test loss   0.5" in lines
    (data,) = (line for line in lines if line.startswith("  data "))
    assert data.endswith(", first 256 training images, first 100 test images")
    assert lines[-2:] == [
        f"  lineage     wrn-10-1 / teacher ({ids['teacher']})",
        f"              wrn-10-1 / ban ({ids['ban']})",
    ]
    assert not any("0.0008" in line for line in lines)


@pytest.mark.parametrize(
    ("compiled_epochs", "text"), [(None, None), (0, "no"), (4, "yes"), (3, "in 3 of 4 epochs")], ids=str
)
def test_show_says_whether_it_was_compiled(
    compiled_epochs: int | None, text: str | None, plan: Plan, ids: dict[str, str], tmp_path: Path
) -> None:
    store = Store(tmp_path / "other")
    publish_made_up(store, plan.generations[ids["teacher"]], compiled_epochs=compiled_epochs)
    shown = invoke("show", ids["teacher"], "--store", store.directory).stdout.splitlines()
    expected = [] if text is None else [f"  compiled    {text}"]
    assert [line for line in shown if line.startswith("  compiled")] == expected


def test_show_says_perplexities_and_tokens_of_language_models(tmp_path: Path) -> None:
    sweep = parse_sweep(
        "{name: text, data: ptb, recipe: lstm, networks: [lstm], generations: {teacher: {loss: labels}}}"
    )
    plan = expand(sweep, DataIdentity(kind="ptb", fingerprint="f" * 64, limit=2000, test_limit=500))
    (generation_id,) = plan.generations
    store = Store(tmp_path / "store")
    nothing_N = np.zeros(1, np.float32)
    publish_made_up(
        store,
        plan.generations[generation_id],
        parameters=51_000_000,
        metrics={"test_loss": 4.3826, "test_perplexity": 80.0456, "validation_perplexity": 83.69, "learning_rate": 0.3},
        predictions=TokenPredictions(nothing_N, nothing_N),
    )
    lines = invoke("show", generation_id, "--store", store.directory).stdout.splitlines()
    assert "  network     lstm, 51,000,000 parameters" in lines
    assert "  test perplexity 80.05" in lines
    assert "  validation perplexity 83.69" in lines
    (data,) = (line for line in lines if line.startswith("  data "))
    assert data.endswith("first 2,000 training tokens, first 500 validation and test tokens")
    assert not any("0.3" in line for line in lines)


def test_show_takes_what_an_id_begins_with(store: Store, ids: dict[str, str]) -> None:
    assert json.loads(invoke("show", ids["ban"][:4], "--store", store.directory, "--json").stdout)["id"] == ids["ban"]
    twin = store.directory / "generations" / (ids["ban"][:4] + "0" * 12)
    twin.mkdir()
    (twin / "generation.json").touch()
    result = invoke("show", ids["ban"][:4], "--store", store.directory)
    assert result.exit_code == 1
    assert "begins the ids of 2 generations" in str(result.exception)
    assert invoke("show", ids["ban"][:8], "--store", store.directory).exit_code == 0


@pytest.mark.parametrize("wrong", ["abc", "../../etc", "4e268e59506dc5ed0", "wrn-10-1"])
def test_show_refuses_what_is_no_id(wrong: str, store: Store) -> None:
    assert "is no generation's id" in str(invoke("show", wrong, "--store", store.directory).exception)


def test_a_report_goes_on_without_what_is_damaged(sweep_file: Path, store: Store, ids: dict[str, str]) -> None:
    file = damage_record(store, ids["ban"])
    document = json.loads(invoke("report", sweep_file, "--store", store.directory, "--json").stdout)
    assert document["reused"] == [ids["teacher"]]
    assert {cell["column"]: cell["mean"] for cell in document["cells"]} == {
        "teacher": 10 / 3,
        "ban": None,
        "cwtm": None,
        "ban-2": None,
        "ens*2": None,
    }
    (message,) = document["damaged"]
    assert str(file) in message
    assert (document["sweep"], document["metric"], document["seeds"]) == ("demo", "test_error", [0])


def test_sync_answers_programs_and_takes_a_part(
    sweep_file: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody listens there: what is missing is told, too.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    arguments = ("sync", sweep_file, "--store", store.directory, "--timeout", 0.1, "--json", "--only", "teacher")
    result = invoke(*arguments)
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert set(document) == {"sent", "unsent", "uri", "error", "models_error"}
    assert (document["sent"], len(document["unsent"])) == (0, 1)
    assert document["error"]
