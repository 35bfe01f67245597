"""Whole sweeps on a real Ray cluster, run, interrupted and killed by the command that users have."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from close_metrics import images_within_rounding
from demo_sweep import SWEEP, Command, ended, ids_of, plan_of, wait_until
from trained_here import trained_here

from bansweep.store.parquet_tables import Predictions
from bansweep.store.store import Store

pytestmark = pytest.mark.ray


@dataclass(frozen=True)
class Finished:
    """A sweep that nothing disturbed: its file, its store, what the command printed."""

    sweep_file: Path
    store: Store
    document: dict[str, Any]
    messages: str


@pytest.fixture(scope="module")
def undisturbed(start: Command, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("undisturbed")
    sweep_file = folder / "demo.yaml"
    sweep_file.write_text(SWEEP)
    out, err = ended(start("run", sweep_file, "--store", folder / "store", "--json"))
    return Finished(sweep_file, Store(folder / "store"), json.loads(out), err)


def test_a_sweep_trains_each_generation_once(undisturbed: Finished) -> None:
    ids = ids_of(plan_of(undisturbed.sweep_file))
    document = undisturbed.document
    assert sorted(document["trained"]) == sorted(ids.values())
    assert {cell["column"] for cell in document["cells"]} == {"teacher", "ban", "cwtm", "ban-2", "ens*2"}
    assert all(0 <= cell["mean"] <= 100 for cell in document["cells"])
    assert "4 of 4 generations done" in undisturbed.messages

    store = undisturbed.store
    ban, teacher = store.record(ids["ban"]), store.record(ids["teacher"])
    assert ban is not None
    assert teacher is not None
    assert ban.teacher_digest == teacher.digests["weights.safetensors"], "the student names its teacher's weights"
    assert len(store.history(ids["ban"])) == 4
    assert store.epochs_done(ids["ban"]) == 0, "progress is removed once it is published"


def test_run_again_it_trains_nothing(undisturbed: Finished, start: Command) -> None:
    out, err = ended(start("run", undisturbed.sweep_file, "--store", undisturbed.store.directory, "--json"))
    again = json.loads(out)
    assert again["trained"] == []
    assert sorted(again["reused"]) == sorted(undisturbed.document["trained"])
    assert again["cells"] == undisturbed.document["cells"]
    assert "0 trained, 4 reused" in err


def test_another_sweep_on_the_store_trains_only_what_is_new_or_damaged(
    undisturbed: Finished, start: Command, tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(SWEEP.replace("name: demo", "name: other").replace("loss: cwtm", "loss: dkpp"))
    shutil.copytree(undisturbed.store.directory, tmp_path / "store")
    store, ids = Store(tmp_path / "store"), ids_of(plan_of(undisturbed.sweep_file))
    weights = store.directory / "generations" / ids["teacher"] / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    out, err = ended(start("run", other, "--store", store.directory, "--json"))
    assert set(json.loads(out)["trained"]) == {ids["teacher"], ids_of(plan_of(other))["cwtm"]}
    assert "wrn-10-1 / teacher will be trained again" in err
    assert f"{weights} is damaged" in err
    assert weights.read_bytes() == whole, "on the same machine it ends in the same bits"


def test_tracking_that_fails_stops_nothing_and_is_filled_in_afterwards(
    undisturbed: Finished, start: Command, tmp_path: Path
) -> None:
    arguments = (undisturbed.sweep_file, "--store", undisturbed.store.directory)
    dead = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    _, err = ended(start("run", *arguments, env=dead))
    assert "MLflow lacks 4 generations" in err
    assert f"bansweep sync {undisturbed.sweep_file}" in err
    _, err = ended(start("sync", *arguments, "--timeout", 5, env=dead), status=1)
    there = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'elsewhere.db'}"}
    for _ in range(2):
        out, _ = ended(start("sync", *arguments, env=there))
        assert "4 generations" in out
        assert "0 missing" in out


SHORT_AND_LONG = """\
name: unequal
data: {kind: digits, limit: 256, test_limit: 100}
recipe: {base: wide-resnet, epochs: 2, batch_size: 32, learning_rate: 0.02, augmentation: null}
networks:
  - wrn-10-1
  - name: long
    network: wrn-10-1
    recipe: {base: wide-resnet, epochs: 100, batch_size: 32, learning_rate: 0.02, augmentation: null}
generations:
  teacher: {loss: labels}
resources: {concurrency: 1}
"""


def test_a_killed_driver_costs_at_most_an_epoch_and_no_bit(start: Command, tmp_path: Path) -> None:
    sweep_file, kept = tmp_path / "unequal.yaml", Store(tmp_path / "store")
    sweep_file.write_text(SHORT_AND_LONG)
    short, long = (cell.generation_id for cell in plan_of(sweep_file).cells)
    driver = start("run", sweep_file, "--store", kept.directory)
    wait_until(lambda: kept.epochs_done(long) >= 1, driver)
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    assert kept.finished([short, long]) == {short}, "the driver was to be killed while the long one trains"
    record = kept.directory / "generations" / short / "generation.json"
    written = record.stat().st_mtime_ns
    saved = kept.epochs_done(long)
    killed_at = time.time()

    out, err = ended(start("run", sweep_file, "--store", kept.directory, "--json"))
    assert json.loads(out)["trained"] == [long]
    assert record.stat().st_mtime_ns == written
    assert "long / teacher, goes on after epoch" in err
    # Nothing that was saved was trained again.
    assert all(report.finished_at <= killed_at for report in kept.history(long)[:saved])
    undisturbed = trained_here(sweep_file, tmp_path / "undisturbed", ["teacher"])
    assert [kept.weights(one) for one in (short, long)] == [undisturbed.weights(one) for one in (short, long)]


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), pytest.param(signal.SIGTERM, 75, "terminated", marks=pytest.mark.slow)],
)
def test_an_interruption_has_its_status_and_the_same_command_goes_on(
    number: signal.Signals, status: int, word: str, start: Command, sweep_file: Path, tmp_path: Path
) -> None:
    kept = Store(tmp_path / "store")
    # Enough epochs for the command to be in the middle of them when it notices the signal.
    teacher = ids_of(plan_of(sweep_file, "recipe.epochs=100"))["teacher"]
    arguments = ("run", sweep_file, "--store", kept.directory, "--only", "teacher", "--set", "recipe.epochs=100")
    driver = start(*arguments)
    wait_until(lambda: kept.epochs_done(teacher) >= 1, driver)
    driver.send_signal(number)
    _, err = ended(driver, status)
    assert f"{word}; the same command goes on" in err
    assert teacher not in kept.finished([teacher])
    _, err = ended(start(*arguments))
    assert "goes on after epoch" in err
    assert teacher in kept.finished([teacher])


@pytest.mark.slow
def test_a_group_whose_trial_is_killed_starts_again(start: Command, sweep_file: Path, tmp_path: Path) -> None:
    kept = Store(tmp_path / "store")
    options = ("--only", "teacher", "--set", "recipe.epochs=40", "--set", "resources.workers=2")
    teacher = ids_of(plan_of(sweep_file, "recipe.epochs=40"))["teacher"]
    # All CPUs of a small machine: what the lost group leaves behind would keep the next one waiting for ever.
    driver = start("run", sweep_file, "--store", kept.directory, *options)
    wait_until(lambda: kept.epochs_done(teacher) >= 1, driver)
    claim = max((kept.directory / "claims" / teacher).glob("*.json"))
    os.kill(json.loads(claim.read_text())["process"]["pid"], signal.SIGKILL)
    _, err = ended(driver)
    assert "goes on after epoch" in err
    assert len(kept.history(teacher)) == 40


def test_messages_that_nobody_reads_stop_nothing(start: Command, sweep_file: Path, tmp_path: Path) -> None:
    kept = Store(tmp_path / "store")
    with start("run", sweep_file, "--store", kept.directory, "--only", "teacher", "--json") as driver:
        assert driver.stderr is not None
        assert driver.stdout is not None
        driver.stderr.readline()
        driver.stderr.close()
        document = json.loads(driver.stdout.read())
    assert driver.returncode == 0
    assert document["trained"] == [ids_of(plan_of(sweep_file))["teacher"]]


def test_two_sweeps_that_want_the_same_generations_train_each_once(
    start: Command, sweep_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "twin.yaml"
    other.write_text(SWEEP.replace("name: demo", "name: twin"))
    store = tmp_path / "store"
    both = [start("run", path, "--store", store, "--json") for path in (sweep_file, other)]
    documents = [json.loads(ended(process)[0]) for process in both]
    trained = [one for document in documents for one in document["trained"]]
    assert sorted(trained) == sorted(ids_of(plan_of(sweep_file)).values())
    assert documents[0]["cells"] == documents[1]["cells"]


def test_a_failed_generation_blocks_its_descendants_only(
    undisturbed: Finished, start: Command, sweep_file: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    ids = ids_of(plan_of(sweep_file))
    for column in ("teacher", "ban"):
        shutil.copytree(undisturbed.store.directory / "generations" / ids[column], store / "generations" / ids[column])
    weights = store / "generations" / ids["ban"] / "weights.safetensors"
    driver = start("run", sweep_file, "--store", store, "--json")
    assert driver.stderr is not None
    while not driver.stderr.readline().startswith("starting"):
        assert driver.poll() is None
    # Whatever is damaged before is trained again. Now that it has been looked at, Ray takes seconds to start.
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    out, err = ended(driver, status=1)
    document = json.loads(out)
    assert document["trained"] == [ids["cwtm"]], "what does not descend from the damaged one is trained"
    assert [one["id"] for one in document["failed"]] == [ids["ban-2"]]
    assert "weights.safetensors" in document["failed"][0]["reason"]
    assert "failed    wrn-10-1 / ban-2" in err
    cells = {cell["column"]: cell["mean"] for cell in document["cells"]}
    assert cells["ban-2"] is None
    assert cells["cwtm"] is not None


def test_a_group_of_two_workers_learns_what_one_process_learns(
    start: Command, sweep_file: Path, tmp_path: Path
) -> None:
    kept = Store(tmp_path / "store")
    teacher = ids_of(plan_of(sweep_file))["teacher"]
    common = ["--only", "teacher", "--set", "recipe.epochs=1"]
    one_epoch = ids_of(plan_of(sweep_file, "recipe.epochs=1"))["teacher"]
    assert teacher != one_epoch
    ended(start("run", sweep_file, "--store", kept.directory, *common, "--set", "resources.workers=2"))
    alone = trained_here(sweep_file, tmp_path / "alone", ["teacher"], "recipe.epochs=1")
    (in_group,), (by_itself,) = kept.history(one_epoch), alone.history(one_epoch)
    # Sums over two workers round differently: by 1e-7, and by some 1e-4 where that takes a unit over the kink of its
    # ReLU. If each worker normalised its own share only, losses would differ by 1e-2.
    for name in ("train_loss", "test_loss"):
        assert in_group.metrics[name] == pytest.approx(by_itself.metrics[name], abs=2e-3), name
    ours, theirs = kept.predictions(one_epoch), alone.predictions(one_epoch)
    assert isinstance(ours, Predictions)
    assert isinstance(theirs, Predictions)
    error = float(np.abs(ours.probabilities_NC - theirs.probabilities_NC).max())
    assert error < 4e-3
    # The errors in percent are those of 100 images.
    difference = abs(in_group.metrics["test_error"] - by_itself.metrics["test_error"])
    assert difference <= images_within_rounding(theirs.probabilities_NC, error) + 1e-9
