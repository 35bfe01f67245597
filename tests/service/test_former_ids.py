"""What was trained under former ids is reused, shown, reported, exported, continued, and teaches."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from demo_sweep import Command, ended
from PIL import Image
from typer.testing import CliRunner

from bansweep.cli.app import app
from bansweep.cluster.job import GenerationJob
from bansweep.cluster.training_job import train_and_publish
from bansweep.config.data import with_absolute_paths
from bansweep.config.reading import read_sweep
from bansweep.data.fingerprint import data_identities
from bansweep.errors import StoreError
from bansweep.graph.expand import expansions
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.service.request import planned
from bansweep.store.store import Store
from bansweep.training.workers import ALONE

SWEEP = """\
name: former
data: {kind: folder, root: images, limit: 40, test_limit: 20}
recipe: {base: wide-resnet, epochs: 3, batch_size: 20, weight_decay: -0.0, augmentation: null}
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
  ban:     {loss: kd, teacher: teacher}
"""
STUDENT = "  ban-2:   {loss: kd, teacher: ban}\n"


def write_images(root: Path) -> None:
    """Bars along one axis or the other: 40 training and 20 test images, of two classes."""
    for split, number in (("train", 40), ("test", 20)):
        for index in range(number):
            pixels_HW = np.full((8, 8), 20, np.uint8)
            pixels_HW[index % 8] = 90
            path = root / split / "ab"[index % 2] / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels_HW.T if index % 2 else pixels_HW).save(path)


class Killed(BaseException):
    """As if the process had been killed."""


def former_plan(path: Path) -> Plan:
    """As the version before the normalisation planned it."""
    sweep = read_sweep(path)
    *_, as_it_is = data_identities(sweep.data)
    limits = {"limit": sweep.data.limit, "test_limit": sweep.data.test_limit}
    *_, plan = expansions(sweep, [DataIdentity(**{**dict(as_it_is), **limits})])
    return plan


def train(path: Path, plan: Plan, store: Store, *, epochs: int | None = None) -> int:
    """Train what the store lacks, and stop as a killed process does after so many epochs; returns their number."""
    sweep, trained = read_sweep(path), 0

    def count(_: EpochReport) -> None:
        nonlocal trained
        trained += 1
        if trained == epochs:
            raise Killed

    for generation_id, generation in plan.generations.items():
        if not store.finished([generation_id]):
            job = GenerationJob(
                generation=generation,
                label=plan.label(generation_id),
                data=with_absolute_paths(sweep.data),
                store=store.location,
            )
            try:
                train_and_publish(job, workers=ALONE, device=torch.device("cpu"), on_epoch=count)
            except Killed:
                break
    return trained


def plan_of(path: Path, store: Store, *, to_run: bool = False) -> Plan:
    sweep = read_sweep(path)
    return planned(sweep, data_identities(sweep.data), store, to_run=to_run)


def columns(plan: Plan) -> dict[str, str]:
    return {cell.column: cell.generation_id for cell in plan.cells}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep, its store as the version before left it, and the cache of prepared data."""
    folder = tmp_path_factory.mktemp("former")
    write_images(folder / "images")
    path = folder / "sweep.yaml"
    path.write_text(SWEEP)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BANSWEEP_CACHE", str(folder / "cache"))
        environment.chdir(folder)
        assert train(path, former_plan(path), Store(folder / "store")) == 6
    return folder


@pytest.fixture
def sweep(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sweep in a folder of its own, with a copy of the store beside it."""
    monkeypatch.setenv("BANSWEEP_CACHE", str(tmp_path / "cache"))
    for name in ("MLFLOW_TRACKING_URI", "BANSWEEP_STORE"):
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "sweep.yaml"


@pytest.fixture
def store(sweep: Path) -> Store:
    return Store(sweep.parent / "store")


@pytest.fixture
def former(sweep: Path) -> dict[str, str]:
    return columns(former_plan(sweep))


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def without_zeros_or_limits(sweep: Path) -> Path:
    sweep.write_text(SWEEP.replace("-0.0", "0.0").replace(", limit: 40, test_limit: 20", ""))
    return sweep


def test_an_id_of_the_former_version_names_another_than_a_normalised_one(sweep: Path, former: dict[str, str]) -> None:
    fresh = columns(plan_of(sweep, Store(sweep.parent / "empty")))
    assert not set(fresh.values()) & set(former.values())
    assert fresh == columns(plan_of(without_zeros_or_limits(sweep), Store(sweep.parent / "empty")))


def test_nothing_is_trained_again(sweep: Path, store: Store, former: dict[str, str]) -> None:
    document = json.loads(invoke("run", sweep, "--store", store.location, "--json"))
    assert document["trained"] == []
    assert set(document["reused"]) == set(former.values())
    assert set(store.everything()) == set(former.values())


def test_every_command_finds_it(sweep: Path, store: Store, former: dict[str, str]) -> None:
    at = ("--store", store.location)
    document = json.loads(invoke("plan", sweep, *at, "--json"))
    assert {one["id"]: one["state"] for one in document["generations"]} == dict.fromkeys(former.values(), "finished")
    assert former["ban"] in invoke("show", former["ban"], *at)
    assert former["teacher"] in invoke("show", former["ban"], *at), "its lineage"
    cells = json.loads(invoke("report", sweep, *at, "--json"))["cells"]
    assert [cell["mean"] is not None for cell in cells] == [True, True]
    assert (
        json.loads(invoke("export", sweep, "wrn-10-1/ban", "--to", sweep.parent / "out", *at, "--json"))["id"]
        == (former["ban"])
    )
    assert json.loads(invoke("diff", f"{sweep}:wrn-10-1/ban", former["ban"], *at, "--json"))["same"]
    assert json.loads(invoke("diff", sweep, sweep, *at, "--json"))["generations"]["different"] == []


def test_a_file_without_limits_or_signs_finds_what_it_can(sweep: Path, store: Store, former: dict[str, str]) -> None:
    text = SWEEP.replace(", limit: 40, test_limit: 20", "")
    sweep.write_text(text)
    assert columns(plan_of(sweep, store)) == former


def test_it_teaches_new_students(sweep: Path, store: Store, former: dict[str, str]) -> None:
    sweep.write_text(SWEEP + STUDENT)
    plan = plan_of(sweep, store)
    assert {**former, "ban-2": columns(plan)["ban-2"]} == columns(plan)
    assert train(sweep, plan, store) == 3
    student, teacher = store.record(columns(plan)["ban-2"]), store.record(former["ban"])
    assert student is not None
    assert teacher is not None
    assert student.generation.teacher == former["ban"]
    assert student.teacher_digest == teacher.digests["weights.safetensors"]
    # The next plan finds it, too.
    assert store.finished(plan_of(sweep, store).generations) == set(columns(plan).values())


def test_its_progress_is_continued(sweep: Path, store: Store, former: dict[str, str]) -> None:
    weights = store.weights(former["ban"])
    store.remove(former["ban"])
    assert train(sweep, former_plan(sweep), store, epochs=2) == 2
    plan = plan_of(sweep, store)
    assert columns(plan) == former
    assert store.epochs_done(former["ban"]) == 2
    assert train(sweep, plan, store) == 1
    assert store.weights(former["ban"]) == weights


def test_without_prepared_data_every_command_finds_the_same(sweep: Path, tmp_path: Path) -> None:
    """On another machine, or once the cache is cleared: a size is counted, and no image is decoded for that."""
    elsewhere = Store(tmp_path / "elsewhere")
    plan = plan_of(sweep, elsewhere)
    train(sweep, plan, elsewhere)
    shutil.rmtree(tmp_path / "cache")
    assert elsewhere.finished(plan_of(sweep, elsewhere).generations) == set(plan.generations)
    assert elsewhere.finished(plan_of(without_zeros_or_limits(sweep), elsewhere).generations) == set(plan.generations)
    assert not (tmp_path / "cache" / "prepared").exists()


def test_a_run_needs_a_store_that_can_be_read(sweep: Path, store: Store) -> None:
    """With the ids of an empty store it would train everything again."""
    (store.directory / "generations").rename(sweep.parent / "away")
    (store.directory / "generations").touch()
    fresh = plan_of(sweep, Store(sweep.parent / "empty"))
    assert plan_of(sweep, store) == fresh
    with pytest.raises(StoreError, match="generations"):
        plan_of(sweep, store, to_run=True)


@pytest.mark.ray
def test_a_run_trains_what_is_new_and_nothing_else(
    sweep: Path, store: Store, former: dict[str, str], start: Command
) -> None:
    sweep.write_text(SWEEP + STUDENT)
    out, _ = ended(start("run", sweep, "--store", store.location, "--json"))
    document = json.loads(out)
    assert set(document["reused"]) == set(former.values())
    (student,) = document["trained"]
    record = store.record(student)
    assert record is not None
    assert record.generation.teacher == former["ban"]
