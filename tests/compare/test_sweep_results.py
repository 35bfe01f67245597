"""Figures side by side, paired by seeds."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from demo_sweep import SWEEP
from made_up_generation import publish_made_up

from bansweep.compare.sweep_results import CellResults, ResultsComparison, compare_results
from bansweep.config.reading import parse_sweep
from bansweep.data.fingerprint import data_identity
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import Plan
from bansweep.store.store import Store

Errors = dict[tuple[str, int], float]


def plan_with(*overrides: str) -> Plan:
    sweep = parse_sweep(SWEEP, ("ensembles={}", *overrides))
    return expand(sweep, data_identity(sweep.data))


def store_with(root: Path, plan: Plan, errors: Errors) -> Store:
    """A store in which those generations are finished that have an error here, by column and seed."""
    store = Store(root)
    for cell in plan.cells:
        error = errors.get((cell.column, cell.replica_seed))
        if error is not None:
            publish_made_up(store, plan.generations[cell.generation_id], metrics={"test_error": error})
    return store


def pair_of(compared: ResultsComparison, column: str) -> CellResults:
    (pair,) = (pair for pair in compared.pairs if pair.left.column == column)
    return pair


def test_seeds_are_paired(tmp_path: Path) -> None:
    left, right = plan_with("seeds=[0, 1, 2]"), plan_with("seeds=[2, 1, 0, 5]", "recipe.epochs=5")
    compared = compare_results(
        left,
        right,
        store_with(tmp_path / "a", left, {("ban", 0): 10.0, ("ban", 1): 20.0, ("ban", 2): 30.0}),
        store_with(tmp_path / "b", right, {("ban", 0): 11.0, ("ban", 1): 22.0, ("ban", 2): 33.0, ("ban", 5): 99.0}),
    )
    ban = pair_of(compared, "ban")
    assert ban.paired.values == (1.0, 2.0, 3.0)
    assert ban.difference == 2.0
    # 2 ± t(0.975; 2) * 1 / sqrt(3), with t = 4.30265 from a printed table.
    assert ban.paired.interval == pytest.approx((2 - 4.30265 / math.sqrt(3), 2 + 4.30265 / math.sqrt(3)), abs=1e-4)
    assert ban.paired.within_noise
    assert not ban.same
    assert pair_of(compared, "cwtm").difference is None


def test_without_common_seeds_means_are_compared(tmp_path: Path) -> None:
    left, right = plan_with("seeds=[0, 1]"), plan_with("seeds=[7]")
    compared = compare_results(
        left,
        right,
        store_with(tmp_path / "a", left, {("teacher", 0): 10.0, ("teacher", 1): 20.0}),
        store_with(tmp_path / "b", right, {("teacher", 7): 12.0}),
    )
    teacher = pair_of(compared, "teacher")
    assert teacher.difference == -3.0
    assert teacher.paired.n == 0
    assert teacher.paired.interval is None


def test_the_same_generations_are_told(tmp_path: Path) -> None:
    left, right = plan_with(), plan_with("generations.cwtm.loss=dkpp")
    store = store_with(tmp_path, left, {("ban", 0): 10.0})
    compared = compare_results(left, right, store, store)
    assert {pair.left.column: pair.same for pair in compared.pairs} == {
        "teacher": True,
        "ban": True,
        "cwtm": False,
        "ban-2": True,
    }
    assert pair_of(compared, "ban").difference == 0.0


def test_cells_are_matched_by_names(tmp_path: Path) -> None:
    left, right = plan_with(), plan_with("networks=[wrn-16-1, wrn-10-1]")
    store = Store(tmp_path)
    compared = compare_results(right, left, store, store)
    assert {cell.row for cell in compared.only_left} == {"wrn-16-1"}
    assert not compared.only_right
    assert {pair.left.row for pair in compared.pairs} == {"wrn-10-1"}


def test_errors_and_perplexities_are_not_compared(tmp_path: Path) -> None:
    images = plan_with()
    sweep = parse_sweep("{name: t, data: ptb, recipe: lstm, networks: [lstm], generations: {teacher: {loss: labels}}}")
    text = expand(sweep, DataIdentity(kind="ptb", fingerprint="f" * 64))
    store = Store(tmp_path)
    compared = compare_results(images, text, store, store)
    assert compared.metric is None
    assert not compared.pairs
    assert [cell.column for cell in compared.only_right] == ["teacher_val", "teacher_test"]
