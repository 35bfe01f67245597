"""Searches on a real Ray cluster: the best candidate teaches the next generation, whatever happens in between."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from demo_sweep import Command, ended, ids_of, plan_of, wait_until

from bansweep.graph.candidates import candidate_of, settings_in_advance
from bansweep.graph.generation import Generation
from bansweep.store.spending_ledger import SpendingLedger
from bansweep.store.store import Store

pytestmark = pytest.mark.ray

SWEEP = """\
name: searched
data: {kind: digits, limit: 256, test_limit: 100, validation: 60}
recipe: {base: wide-resnet, epochs: 20, batch_size: 32, learning_rate: 0.02, augmentation: null}
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
  ban:     {loss: kd, teacher: teacher, search: {parameters: {loss.temperature: [1, 2, 4]}, sampler: grid, keep: all}}
search:
  parameters: {recipe.learning_rate: {loguniform: [0.005, 0.2]}}
  candidates: 4
  pruner: asha
"""


@dataclass(frozen=True)
class Finished:
    """A sweep that nothing disturbed."""

    sweep_file: Path
    store: Store
    document: dict[str, Any]
    messages: str


def written(folder: Path, text: str = SWEEP) -> Path:
    path = folder / "searched.yaml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def undisturbed(start: Command, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("undisturbed")
    sweep_file = written(folder)
    out, err = ended(start("run", sweep_file, "--store", folder / "store", "--json"))
    return Finished(sweep_file, Store(folder / "store"), json.loads(out), err)


def chosen(store: Store, sweep_file: Path) -> dict[str, tuple[object, ...]]:
    """Of each generation its candidates, the winner and the winner's weights."""
    found: dict[str, tuple[object, ...]] = {}
    for column, generation_id in ids_of(plan_of(sweep_file)).items():
        record = store.record(generation_id)
        assert record is not None
        candidates = [one.model_dump(exclude={"seconds"}) for one in record.candidates]
        found[column] = (record.winner, candidates, store.weights(generation_id))
    return found


def candidates_of(generation: Generation) -> list[str]:
    settings = settings_in_advance(generation)
    return [candidate_of(generation, number, setting).id for number, setting in enumerate(settings)]


def test_each_generation_is_the_best_candidate_and_teaches_the_next(undisturbed: Finished) -> None:
    store, ids = undisturbed.store, ids_of(plan_of(undisturbed.sweep_file))
    assert sorted(undisturbed.document["trained"]) == sorted(ids.values())
    for generation_id in ids.values():
        record = store.record(generation_id)
        assert record is not None
        finished = [one for one in record.candidates if one.outcome == "finished"]
        best = min(finished, key=lambda one: (one.value, one.number))
        assert record.winner == best.number
        assert store.history(generation_id) == store.candidate_histories(generation_id)[best.number]
    teacher, ban = store.record(ids["teacher"]), store.record(ids["ban"])
    assert teacher is not None
    assert ban is not None
    assert len(teacher.candidates) == 4
    assert [one.setting["loss.temperature"] for one in ban.candidates] == [1, 2, 4]
    assert ban.teacher_digest == teacher.digests["weights.safetensors"]
    assert "candidate 4 of 4" in undisturbed.messages
    # One column keeps all candidates' weights, the other none.
    kept = set(store.candidates.ids())
    assert kept == {one.id for one in ban.candidates if one.outcome == "finished"}


def test_show_lists_the_candidates(undisturbed: Finished, start: Command) -> None:
    generation_id = ids_of(plan_of(undisturbed.sweep_file))["teacher"]
    out, _ = ended(start("show", generation_id, "--store", undisturbed.store.directory))
    assert re.search(r"candidates  4 in [\d.]+ (s|min.*), random search, chosen by validation error", out)
    assert out.count("learning_rate 0.") == 4
    assert out.count("   * ") == 1


@pytest.mark.slow
def test_killed_in_the_second_generation_it_searches_the_first_one_no_more(
    undisturbed: Finished, start: Command, tmp_path: Path
) -> None:
    sweep_file, kept = written(tmp_path), Store(tmp_path / "store")
    plan = plan_of(sweep_file)
    ids = ids_of(plan)
    first = candidates_of(plan.generations[ids["ban"]])[0]
    arguments = ("run", sweep_file, "--store", kept.directory, "--json", "--set", "resources.concurrency=1")
    driver = start(*arguments)
    wait_until(lambda: first in kept.candidates.finished([first]), driver)
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    assert kept.finished(ids.values()) == {ids["teacher"]}, "it was to be killed in the second generation"
    searched = (kept.directory / "generations" / ids["teacher"] / "generation.json").stat().st_mtime_ns
    trained = (kept.candidates.directory / "generations" / first / "generation.json").stat().st_mtime_ns

    out, err = ended(start(*arguments))
    assert json.loads(out)["trained"] == [ids["ban"]]
    assert (kept.directory / "generations" / ids["teacher"] / "generation.json").stat().st_mtime_ns == searched
    assert (kept.candidates.directory / "generations" / first / "generation.json").stat().st_mtime_ns == trained
    assert "candidate 1 of 3" not in err, "it had finished before"
    assert chosen(kept, sweep_file) == chosen(undisturbed.store, undisturbed.sweep_file)


@pytest.mark.slow
def test_a_budget_is_not_exceeded_and_a_larger_one_goes_on(start: Command, tmp_path: Path) -> None:
    sweep_file = written(tmp_path, SWEEP.split("search:\n")[0].replace("keep: all", "keep: winner"))
    arguments = ("run", sweep_file, "--store", tmp_path / "store", "--json")
    out, err = ended(start(*arguments, "--budget", 0), status=75)
    assert json.loads(out)["trained"] == []
    assert "the budget of 0 device hours is spent (0 s): 2 of 2 generations are left" in err
    assert not (tmp_path / "store" / "progress").exists()
    ids = ids_of(plan_of(sweep_file))
    # As much as a moment of the first generation, which then may finish.
    out, err = ended(start(*arguments, "--budget", 1e-5), status=75)
    assert json.loads(out)["trained"] == [ids["teacher"]]
    assert "1 of 2 generations are left" in err
    spent = SpendingLedger(Store(tmp_path / "store"), "searched").total()
    assert spent.keys() == {ids["teacher"]}
    assert 1e-5 < spent[ids["teacher"]] < 1
    out, _ = ended(start(*arguments, "--budget", 1))
    assert json.loads(out)["trained"] == [ids["ban"]]


def test_a_chain_that_stops_improving_ends(start: Command, tmp_path: Path) -> None:
    # Nothing improves by a hundred percentage points.
    head = SWEEP.split("generations:")[0].replace("epochs: 20", "epochs: 4")
    sweep_file = written(tmp_path, head + "chain: {loss: kd, length: 4, stop: {patience: 1, min_delta: 100}}\n")
    arguments = (sweep_file, "--store", tmp_path / "store", "--json")
    out, err = ended(start("run", *arguments))
    document = json.loads(out)
    assert len(document["trained"]) == 2
    (chain,) = document["chains"]
    assert (chain["ended_after"], chain["length"], len(chain["values"])) == ("ban-1", 4, 2)
    assert {cell["column"] for cell in document["cells"]} == {"teacher", "ban-1", "ban-ens"}
    assert "3 not needed" in err
    states = [one["state"] for one in json.loads(ended(start("plan", *arguments))[0])["generations"]]
    assert states == ["finished", "finished", "not needed", "not needed", "not needed"]
