"""Sweep files as Python holds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from demo_sweep import SWEEP, ids_of, plan_of

import bansweep
from bansweep.errors import RequestError, SweepFileError


def test_a_plan_is_the_command_lines(sweep_file: Path) -> None:
    sweep = bansweep.load_sweep(sweep_file)
    assert (sweep.name, sweep.plan()) == ("demo", plan_of(sweep_file))


def test_changes_are_those_of_set(sweep_file: Path) -> None:
    changes = {
        "recipe.epochs": np.int64(3),
        "recipe.learning_rate": 1e-05,
        "seeds": (0, 1),
        "recipe.decay_at": np.array([0.25, 0.5]),
        "recipe.augmentation": {"pad": 1, "flip": False},
        "generations.ban.loss": "kd+labels",
        "data": {"kind": "folder", "root": Path("with 'quotes' and \\")},
    }
    spec = bansweep.load_sweep(str(sweep_file), changes).spec
    assert (spec.recipe.epochs, spec.recipe.learning_rate, spec.seeds) == (3, 1e-05, (0, 1))
    assert spec.recipe.decay_at == (0.25, 0.5)
    assert (spec.recipe.augmentation.pad, spec.recipe.augmentation.flip) == (1, False)
    assert spec.generations["ban"].loss.kind == "kd+labels"
    assert spec.data.root == Path("with 'quotes' and \\")


def test_a_part_and_a_rehearsal(sweep_file: Path) -> None:
    part = bansweep.load_sweep(sweep_file, only="teacher").plan()
    assert list(ids_of(part)) == ["teacher"]
    rehearsed = bansweep.load_sweep(sweep_file, rehearse=True).request()
    assert rehearsed.rehearsal
    assert rehearsed.spec.recipe.epochs == 1


def test_errors_are_the_command_lines(sweep_file: Path, tmp_path: Path) -> None:
    with pytest.raises(SweepFileError, match=r"--set epochs=1: epochs: unknown key 'epochs'"):
        bansweep.load_sweep(sweep_file, {"epochs": 1})
    with pytest.raises(SweepFileError, match="no such file"):
        bansweep.load_sweep(tmp_path / "nothing.yaml")
    with pytest.raises(bansweep.BansweepError, match="cannot stand in a sweep file"):
        bansweep.load_sweep(sweep_file, {"seeds": {1, 2}})
    with pytest.raises(RequestError, match="no row or column of demo matches"):
        bansweep.load_sweep(sweep_file, only=["bann"]).plan()


def test_a_file_that_has_changed_is_not_run_as_another(sweep_file: Path) -> None:
    sweep = bansweep.load_sweep(sweep_file)
    sweep_file.write_text(SWEEP.replace("epochs: 4", "epochs: 5"))
    with pytest.raises(RequestError, match="has changed since it was loaded"):
        sweep.plan()


def test_a_store_is_found_as_on_the_command_line(
    sweep: bansweep.Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BANSWEEP_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    assert sweep.request().store.directory == tmp_path / "bansweep-store"
    monkeypatch.setenv("BANSWEEP_STORE", "elsewhere")
    assert sweep.request().store.directory == tmp_path / "elsewhere"
    assert sweep.request(tmp_path / "here").store.directory == tmp_path / "here"
    with pytest.raises(RequestError, match="no kind of store"):
        sweep.request("gopher://a/b")
