"""A rehearsal is the same graph with almost no work in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bansweep.plan.expand import expand
from bansweep.plan.generation import DataIdentity
from bansweep.plan.plan import Plan
from bansweep.spec.data import is_text
from bansweep.spec.reading import parse_sweep, read_sweep
from bansweep.spec.rehearsal import rehearsal_overrides
from bansweep.spec.sweep import SweepSpec

SWEEPS = sorted((Path(__file__).parents[2] / "sweeps").rglob("*.yaml"))


def plan_of(sweep: SweepSpec) -> Plan:
    data = {name: getattr(sweep.data, name) for name in ("kind", "limit", "test_limit")}
    return expand(sweep, DataIdentity(**data, fingerprint="x"))


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.name)
def test_the_graph_stays_and_nothing_of_it_is_a_result(path: Path) -> None:
    real = read_sweep(path)
    rehearsal = read_sweep(path, rehearsal_overrides(real))
    assert rehearsal.name == f"{path.stem}-rehearsal"
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
    rehearsal = parse_sweep(text, rehearsal_overrides(parse_sweep(text)))
    assert rehearsal.name.endswith("-rehearsal")
    assert (rehearsal.data.validation, rehearsal.data.limit, rehearsal.data.test_limit) == (8, 16, 8)
    assert rehearsal.resources.workers is None
    assert rehearsal.resources.cpus_per_worker == 1
    assert rehearsal.resources.compile is False


def test_what_a_user_sets_goes_for_the_rehearsal_too() -> None:
    text = MINIMAL.replace("NAME", "a")
    sweep = parse_sweep(text, (*rehearsal_overrides(parse_sweep(text)), "data.limit=64", "resources.workers=2"))
    assert (sweep.data.limit, sweep.resources.workers, sweep.recipe.epochs) == (64, 2, 1)
