"""A rehearsal is the same graph with almost no work in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bansweep.config.data import is_text
from bansweep.config.hyperparameters import Choice
from bansweep.config.reading import parse_sweep, read_sweep
from bansweep.config.rehearsal import rehearsal_overrides
from bansweep.config.search import Asha, Search
from bansweep.config.sweep import SweepSpec
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import Plan

SWEEPS = sorted((Path(__file__).parents[2] / "sweeps").rglob("*.yaml"))


def plan_of(sweep: SweepSpec) -> Plan:
    data = {name: getattr(sweep.data, name) for name in ("kind", "limit", "test_limit")}
    return expand(sweep, DataIdentity(**data, fingerprint="x"))


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.name)
def test_the_graph_stays_and_nothing_of_it_is_a_result(path: Path) -> None:
    real = read_sweep(path)
    rehearsal = read_sweep(path, rehearsal_overrides(real))
    assert rehearsal.name == f"{real.name}-rehearsal"
    plans = [plan_of(real), plan_of(rehearsal)]
    shapes = [
        [(g.network, g.loss, g.shared_layers, g.seed, g.generation_index) for g in plan.generations.values()]
        for plan in plans
    ]
    assert shapes[0] == shapes[1]
    assert [(cell.row, cell.column) for cell in plans[0].cells] == [(cell.row, cell.column) for cell in plans[1].cells]
    assert not plans[0].generations.keys() & plans[1].generations.keys()
    assert {g.recipe.epochs for g in plans[1].generations.values()} == {1}
    assert rehearsal.resources.precision == real.resources.precision
    assert (rehearsal.data.limit or 0) <= (400 if is_text(real.data) else 16)


MINIMAL = """\
name: NAME
data: {kind: cifar10, validation: 5000}
recipe:
  epochs: 200
  batch_size: 128
  learning_rate: 0.1
  momentum: 0.9
  nesterov: true
  weight_decay: 5e-4
  decay_at: [0.3]
  decay_factor: 0.2
  augmentation: null
networks: [wrn-10-1]
generations: {teacher: {loss: labels}}
resources: {workers: 8, gpus_per_worker: 1, cpus_per_worker: 16, concurrency: 4, compile: true}
"""


@pytest.mark.parametrize("name", ["a", "n" * 80])
def test_it_runs_where_the_sweep_would_not(name: str) -> None:
    text = MINIMAL.replace("NAME", name)
    rehearsal = rehearsal_of(text)
    assert rehearsal.name.endswith("-rehearsal")
    assert (rehearsal.data.validation, rehearsal.data.limit, rehearsal.data.test_limit) == (8, 16, 8)
    assert rehearsal.resources.workers is None
    assert rehearsal.resources.cpus_per_worker == 1
    assert rehearsal.resources.compile is False


def rehearsal_of(text: str, *changes: str) -> SweepSpec:
    return parse_sweep(text, (*changes, *rehearsal_overrides(parse_sweep(text, changes), changes)))


def test_a_change_of_the_very_key_that_a_rehearsal_sets_is_meant_for_it() -> None:
    text = MINIMAL.replace("NAME", "a")
    sweep = rehearsal_of(text, "data.limit=64", " resources.workers = 2", "data.validation=100")
    assert (sweep.data.limit, sweep.resources.workers, sweep.recipe.epochs) == (64, 2, 1)
    assert (sweep.data.validation, sweep.data.test_limit) == (100, 8)
    assert rehearsal_of(text, "recipe.epochs=3", "recipe.epochs=4").recipe.epochs == 4


@pytest.mark.parametrize(
    "changes",
    [
        ["data={kind: cifar10, validation: 5000}"],
        ["recipe=wide-resnet"],
        ["recipe.epochs=3", "recipe.learning_rate=0.5", "recipe.window=", "recipe=wide-resnet"],
        ["networks=[{network: wrn-10-1, recipe: wide-resnet}]"],
        ["networks.0={network: wrn-10-1, recipe: {base: wide-resnet, batch_size: 64}}"],
        ["resources={workers: 8, compile: true}"],
        ["generations.teacher.seed=3"],
    ],
)
def test_any_other_change_is_rehearsed(changes: list[str]) -> None:
    sweep = rehearsal_of(MINIMAL.replace("NAME", "a"), *changes)
    assert (sweep.data.limit, sweep.data.validation) == (16, 8)
    assert sweep.recipe.epochs == (3 if "recipe.epochs=3" in changes else 1)
    assert [sweep.recipe_in(row).batch_size for row in sweep.networks] == [2]
    assert (sweep.resources.workers, sweep.resources.compile) == (None, False)


def test_in_fp32_it_replaces_bf16_unless_the_very_key_is_set() -> None:
    text = MINIMAL.replace("NAME", "a").replace("workers: 8,", "workers: 8, precision: bf16,")
    sweep = parse_sweep(text)
    assert "resources.precision=fp32" in rehearsal_overrides(sweep, in_fp32=True)
    assert rehearsal_overrides(sweep) == tuple(
        one for one in rehearsal_overrides(sweep, in_fp32=True) if one != "resources.precision=fp32"
    )
    changes = ("resources.precision=bf16",)
    kept = parse_sweep(text, (*changes, *rehearsal_overrides(sweep, changes, in_fp32=True)))
    assert kept.resources.precision == "bf16"
    in_fp32 = parse_sweep(MINIMAL.replace("NAME", "a"))
    assert rehearsal_overrides(in_fp32, in_fp32=True) == rehearsal_overrides(in_fp32)


def test_the_name_always_tells_a_rehearsal() -> None:
    assert rehearsal_of(MINIMAL.replace("NAME", "a"), "name=x").name == "x-rehearsal"


def test_a_rehearsal_never_takes_more_than_the_sweep() -> None:
    text = MINIMAL.replace("NAME", "a").replace("validation: 5000", "limit: 1, test_limit: 3, validation: 2")
    images = rehearsal_of(text)
    assert (images.data.limit, images.data.test_limit, images.recipe.batch_size) == (1, 3, 1)
    assert rehearsal_of(text, "data.limit=8").data.limit == 8
    assert images.resources.concurrency == 4

    words = rehearsal_of("""\
name: a
data: {kind: ptb, limit: 60, test_limit: 50}
recipe: {base: lstm, batch_size: 3, window: 7}
networks: [{network: lstm-2-1, recipe: {base: lstm, window: 5}}]
generations: {teacher: {loss: labels}}
""")
    assert (words.data.limit, words.data.test_limit) == (60, 50)
    assert (words.recipe.batch_size, words.recipe.window) == (3, 7)
    own = words.networks[0].recipe
    assert (own.batch_size, own.window) == (4, 5)


SEARCHED = """\
name: searched
data: {kind: digits, limit: 400, validation: 100}
recipe: wide-resnet
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
  ban.1: {loss: kd, teacher: teacher, search: OWN}
search: SEARCH
"""
FEW = "{parameters: {recipe.momentum: [0.8, 0.9]}, candidates: 2}"


def searches_of(search: str, *changes: str, own: str = "null") -> tuple[Search | None, Search | str | None]:
    sweep = rehearsal_of(SEARCHED.replace("SEARCH", search).replace("OWN", own), *changes)
    return sweep.search, sweep.generations["ban.1"].search


def parameters_of(search: Search | str | None) -> list[str]:
    assert isinstance(search, Search)
    return list(search.parameters)


def test_a_search_is_rehearsed_with_few_candidates() -> None:
    many = "{parameters: {recipe.momentum: {uniform: [0.5, 0.9]}}, candidates: 50, pruner: asha}"
    search, own = searches_of(many, own=many.replace("50", "2, sampler: tpe"))
    assert isinstance(search, Search)
    assert isinstance(own, Search)
    assert (search.size, own.size, own.sampling) == (3, 2, "tpe")
    assert search.pruner == Asha()
    kept, _ = searches_of(many, "search.candidates=5")
    assert isinstance(kept, Search)
    assert kept.size == 5, "meant for the rehearsal"


@pytest.mark.parametrize("candidates", ["", "candidates: 8"])
def test_a_grid_stays(candidates: str) -> None:
    grid = f"{{parameters: {{recipe.momentum: {{grid: [0.8, 0.9]}}, loss.x: {{grid: [1, 2, 3, 4]}}}}, {candidates}}}"
    search, _ = searches_of(grid.replace("loss.x", "recipe.weight_decay"))
    assert isinstance(search, Search)
    assert (search.sampling, search.size) == ("grid", 8)
    shorter, _ = searches_of(grid.replace("loss.x", "recipe.epochs"))
    assert isinstance(shorter, Search)
    assert (parameters_of(shorter), shorter.size) == (["recipe.momentum"], 2)


def test_a_search_does_not_undo_a_rehearsal() -> None:
    undoing = "{parameters: {recipe.epochs: [100, 200], recipe.batch_size: {int: [8, 64]}PARAMETER}, candidates: 4}"
    more = undoing.replace("PARAMETER", ", recipe.augmentation: [null, {pad: 2, fill: zero}]")
    search, own = searches_of(more, own=more)
    assert parameters_of(search) == parameters_of(own) == ["recipe.augmentation"]
    assert isinstance(search, Search)
    assert search.parameters["recipe.augmentation"] == Choice(values=(None, {"pad": 2, "fill": "zero"}))
    assert searches_of(undoing.replace("PARAMETER", ""), own=FEW)[0] is None
    assert searches_of(FEW, own=undoing.replace("PARAMETER", ""))[1] == "none"
    # Nor does one that a change makes.
    change = undoing.replace("PARAMETER", "")
    assert searches_of(FEW, f"search={change}") == (None, None)
    assert searches_of(FEW, "search.parameters.recipe.epochs=[100, 200]")[0] == searches_of(FEW)[0]
