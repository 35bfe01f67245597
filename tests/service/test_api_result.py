"""Results as pandas DataFrames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from demo_sweep import ids_of
from made_up_generation import damage

import bansweep

Finish = Callable[[str, list[int]], str]


def test_an_empty_store_has_a_table_of_gaps(sweep: bansweep.Sweep, tmp_path: Path) -> None:
    result = sweep.result(tmp_path / "store")
    table = result.table()
    assert table.shape == (1, 5)
    assert table.isna().all(axis=None)
    assert set(result.generations()["state"]) == {"waiting"}
    assert result.histories().empty
    assert (result.trained, result.reused, dict(result.failed)) == ((), (), {})
    assert not (tmp_path / "store").exists(), "looking at results writes nothing"


def test_figures_are_where_they_belong(sweep: bansweep.Sweep, finish: Finish, tmp_path: Path) -> None:
    # The four images are of classes 0, 1, 1 and 0.
    finish("teacher", [0, 1, 1, 1])
    ban = finish("ban", [1, 1, 1, 0])
    finish("ban-2", [1, 1, 0, 0])
    result = sweep.result(tmp_path)
    table = result.table()
    assert (table.index.name, table.columns.name) == ("network", "Test error, %")
    # A tie of probabilities goes to the first class: image 2 of the ensemble is taken for 0.
    expected = {"teacher": 25.0, "ban": 25.0, "cwtm": np.nan, "ban-2": 50.0, "ens*2": 50.0}
    pd.testing.assert_series_equal(table.loc["wrn-10-1"], pd.Series(expected), check_names=False)
    cells = result.cells().set_index("column")
    assert cells.loc["ens*2", ["row", "kind", "seed", "value"]].tolist() == ["wrn-10-1", "ensemble", 0, 50.0]
    generations = result.generations()
    assert generations.loc[ban, ["label", "loss", "state", "test_error"]].tolist() == [
        "wrn-10-1 / ban",
        "kd",
        "finished",
        25.0,
    ]
    assert generations.loc[ban, "teacher"] == ids_of(sweep.plan())["teacher"]
    assert len(result.reused) == 3
    assert "<table" in result._repr_html_()


def test_histories_are_long(sweep: bansweep.Sweep, finish: Finish, tmp_path: Path) -> None:
    teacher = finish("teacher", [0, 1, 1, 1])
    histories = sweep.result(tmp_path).histories()
    assert list(histories.columns) == ["generation", "label", "epoch", "metric", "value"]
    losses = histories[histories["metric"] == "train_loss"]
    assert losses["value"].tolist() == [1.0, 0.5]
    assert set(histories["generation"]) == {teacher}
    assert histories[histories["metric"] == "seconds"]["value"].tolist() == [1.5, 1.5]


@pytest.mark.parametrize("file", ["generation.json", "history.parquet"])
def test_damage_leaves_gaps(sweep: bansweep.Sweep, finish: Finish, tmp_path: Path, file: str) -> None:
    teacher = finish("teacher", [0, 1, 1, 1])
    finish("ban", [1, 1, 1, 0])
    (damaged,) = (tmp_path / "generations" / teacher).rglob(file)
    damage(damaged)
    result = sweep.result(tmp_path)
    assert len(set(result.histories()["generation"])) == 1
    assert result.generations().loc[teacher, "state"] == ("damaged" if file == "generation.json" else "finished")
    assert result.table().loc["wrn-10-1", "ban"] == 25.0


def test_seeds_have_lines_of_their_own(sweep_file: Path, tmp_path: Path) -> None:
    sweep = bansweep.load_sweep(sweep_file, {"seeds": [3, 5]})
    cells = sweep.result(tmp_path).cells()
    assert cells[cells["column"] == "ban"]["seed"].tolist() == [3, 5]
    assert len(sweep.result(tmp_path).generations()) == 8
