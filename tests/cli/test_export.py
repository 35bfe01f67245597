"""`bansweep export`, from a store with untrained networks in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from demo_sweep import ids_of, plan_of
from made_up_generation import damage
from typer.testing import CliRunner, Result
from untrained_generation import publish_untrained

from bansweep.cli.app import app
from bansweep.data.cache import CACHE_VARIABLE
from bansweep.errors import DamagedError, RequestError
from bansweep.graph.plan import Plan
from bansweep.store.store import Store


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def _prepared_digits(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, environment["BANSWEEP_CACHE"])


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
    for column in ("teacher", "ban"):
        publish_untrained(store, plan.generations[ids[column]], label=plan.label(ids[column]))
    return store


def test_a_generation_is_exported_by_its_id(store: Store, ids: dict[str, str], tmp_path: Path) -> None:
    result = invoke("export", ids["ban"][:8], "--to", tmp_path / "out", "--store", store.directory)
    assert result.stdout.splitlines() == [
        f"wrn-10-1 / ban ({ids['ban']}): {tmp_path / 'out'}",
        "  generation.json",
        "  load.py",
        "  weights.pt",
        "  weights.safetensors",
        f"python {tmp_path / 'out' / 'load.py'} tries it",
    ]
    assert torch.load(tmp_path / "out" / "weights.pt", weights_only=True)


@pytest.mark.parametrize("joined", [False, True])
def test_a_generation_is_exported_by_its_cell(
    joined: bool, sweep_file: Path, store: Store, ids: dict[str, str], tmp_path: Path
) -> None:
    named = [f"{sweep_file}:wrn-10-1/ban"] if joined else [sweep_file, "wrn-10-1/ban"]
    result = invoke("export", *named, "--to", tmp_path / "out", "--store", store.directory, "--json")
    document = json.loads(result.stdout)
    assert document["id"] == ids["ban"]
    assert sorted(file.name for file in Path(document["folder"]).iterdir()) == document["files"]
    described = json.loads((tmp_path / "out" / "generation.json").read_text())
    assert [one["id"] for one in described["lineage"]] == [ids["teacher"], ids["ban"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["SWEEP", "wrn-10-1/cwtm"], "is not finished in"),
        (["SWEEP", "wrn-10-1/ens*2"], "is an ensemble"),
        (["SWEEP", "wrn-10-1"], "'wrn-10-1' is no cell of a sweep"),
        (["SWEEP"], "is a whole sweep; one generation is exported at a time"),
        (["no.yaml"], "'no.yaml' is neither a generation's id nor a sweep file"),
        (["ffffffff"], "no finished generation 'ffffffff'"),
        (["ffffffff", "--set", "recipe.epochs=3"], "--set changes a sweep, and an id is none"),
    ],
)
def test_what_cannot_be_exported_is_explained(
    arguments: list[str], message: str, sweep_file: Path, store: Store, tmp_path: Path
) -> None:
    named = [str(sweep_file) if argument == "SWEEP" else argument for argument in arguments]
    result = invoke("export", *named, "--to", tmp_path / "out", "--store", store.directory)
    assert isinstance(result.exception, RequestError)
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "generation.json"])
def test_damage_is_not_exported(name: str, store: Store, ids: dict[str, str], tmp_path: Path) -> None:
    damage(store.directory / "generations" / ids["ban"] / name)
    result = invoke("export", ids["ban"], "--to", tmp_path / "out", "--store", store.directory)
    assert isinstance(result.exception, DamagedError)
    assert not (tmp_path / "out").exists()


def test_a_full_folder_is_refused(store: Store, ids: dict[str, str]) -> None:
    result = invoke("export", ids["ban"], "--to", store.directory, "--store", store.directory)
    assert f"{store.directory} is not empty" in str(result.exception)
