"""What is kept of a store, and what the page makes of it, by a sweep that nobody has trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_sweep import plan_of
from made_up_generation import publish_made_up

from bansweep.graph.results import EpochReport
from bansweep.store.parquet_tables import Predictions
from bansweep.store.store import Store

ROOT = Path(__file__).parents[2]
SWEEP = """\
name: made-up
data: {kind: digits, limit: 256, validation: 56}
recipe: {base: wide-resnet, epochs: 2}
networks: [wrn-10-1]
seeds: [0, 1]
generations:
  teacher: {loss: labels}
  ban-1:   {loss: kd, teacher: teacher}
  ban-2:   {loss: kd, teacher: ban-1}
ensembles:
  ens*2: [ban-1, ban-2]
"""
ERRORS = {("teacher", 0): 50.0, ("teacher", 1): 25.0, ("ban-1", 0): 25.0, ("ban-1", 1): 0.0, ("ban-2", 0): 75.0}
LABELS_N = np.array([0, 1, 1, 0])


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    path = tmp_path / "made-up.yaml"
    path.write_text(SWEEP, encoding="utf-8")
    return path


@pytest.fixture
def store(tmp_path: Path, sweep_file: Path) -> Store:
    """All but the last generation of the second seed are finished; `ERRORS` are those of four images."""
    store, plan = Store(tmp_path / "store"), plan_of(sweep_file)
    for cell in plan.cells:
        if (error := ERRORS.get((cell.column, cell.replica_seed))) is None:
            continue
        wrong_N = np.arange(4) < error / 25
        publish_made_up(
            store,
            plan.generations[cell.generation_id],
            history=[EpochReport(epoch, 2, 900.0, float(epoch), {"train_loss": 1.0 / epoch}) for epoch in (1, 2)],
            predictions=Predictions(np.eye(2, dtype=np.float32)[np.where(wrong_N, 1 - LABELS_N, LABELS_N)], LABELS_N),
            metrics={"test_error": error, "train_loss": 0.5},
            parameters=1234,
            training_seconds=1800.0,
            versions={"torch": "2.0"},
        )
    return store


@pytest.fixture
def kept(tmp_path: Path, store: Store, sweep_file: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "docs" / "generators")
    import results_kept

    assert results_kept.keep(store.directory, tmp_path / "kept", sweep_file) == len(ERRORS)
    return results_kept.KeptSweep(sweep_file, tmp_path / "kept")


def test_records_and_histories_are_kept_and_nothing_else(kept: Any) -> None:
    assert len(kept.records) == len(ERRORS)
    names = [path.name for path in kept.folder.glob("generations/**/*") if path.is_file()]
    assert sorted(names) == ["generation.json"] * len(ERRORS) + ["history.parquet"] * len(ERRORS)
    assert [report.epoch for report in kept.store.history(next(iter(kept.records)))] == [1, 2]


def test_what_is_kept_already_stays(kept: Any, store: Store, sweep_file: Path) -> None:
    import results_kept

    record = next(kept.folder.glob("generations/*/generation.json"))
    record.unlink()  # as after a copy that was interrupted
    assert results_kept.keep(store.directory, kept.folder, sweep_file) == 1
    assert results_kept.keep(store.directory, kept.folder, sweep_file) == 0


def test_a_section_says_what_was_run_and_what_came_of_it(kept: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import results_section

    monkeypatch.setattr(results_section, "ROOT", kept.file.parent)
    text = "\n".join(results_section.section(kept))
    assert "[`made-up.yaml`](../made-up.yaml), seeds 0, 1;" in text
    assert "digits, the first 256 training images, validated on 56 others, all test images;\n2 epochs, fp32;" in text
    assert "wrn-10-1: 1,234 parameters." in text
    assert "5 of 6 generations are finished, in 2.5 hours of one core," in text
    # 50 and 25: mean 37.5, sd 17.68; the missing generation takes its ensemble with it.
    assert "| teacher | 37.50 ± 17.68 |" in text
    assert "| ban-2 | 75.00 (1 of 2 seeds) |" in text
    assert "| ✓ | Students beat their teachers | wrn-10-1 | ban-1 − teacher | -25.00 | -25.00 to -25.00 |" in text
    later = "Later generations improve on the first | wrn-10-1 | ban-2 − ban-1 | +50.00 | no interval | +50.00 |"
    assert f"| ? | {later}" in text
    assert "What was looked into" not in text


def test_remarks_stand_below_a_section(kept: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import results_section

    monkeypatch.setattr(results_section, "ROOT", kept.file.parent)
    (kept.folder / "sweeps" / "made-up" / "remarks.md").write_text("It rained.\n", encoding="utf-8")
    assert results_section.section(kept)[-2:] == ["What was looked into:", "It rained."]
