"""docs/results.md says what results/ holds, and what is held there is of one piece."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bansweep.report.paired_difference import PairedDifference

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _generators_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs" / "generators")


def kept() -> Iterator[Any]:
    import results

    return (sweep for sweep in results.kept_sweeps() if sweep.records)


def test_the_page_and_its_pictures_are_up_to_date() -> None:
    import results

    assert results.outdated() == [], f"run {results.COMMAND}"


def test_a_picture_tells_its_figures_and_so_whether_it_is_outdated(tmp_path: Path, monkeypatch: Any) -> None:
    import picture_style
    import results_claims
    import results_pictures

    monkeypatch.setattr(picture_style, "FOLDER", tmp_path)
    claim = results_claims.Claim("students win", "", "lower", (("ban", "teacher"),))
    rows = {
        (row, column): [value + shift for shift in (0.0, 1.0, 2.5)]
        for row, column, value in (("a", "teacher", 30.0), ("a", "ban", 28.0), ("b", "teacher", 9), ("b", "ban", 9.5))
    }
    found = results_claims.findings(claim, ["a", "b"], rows)
    told = results_pictures.description(found)
    assert told.startswith("ban − teacher, a: -2.00 (-2.00 to -2.00); ban − teacher, b: 0.50 (0.50 to 0.50)")
    assert told in results_pictures.draw("some", found, "percentage points").read_text(encoding="utf-8")


def test_reports_say_what_records_say() -> None:
    for sweep in kept():
        cells = {(cell["row"], cell["column"]): cell["values"] for cell in sweep.report["cells"]}
        seeds = sweep.report["seeds"]
        for cell in sweep.plan.cells:
            record = sweep.records.get(cell.generation_id)
            metrics = {} if record is None else record.metrics
            told = {"": metrics.get("test_error")}
            if (cell.row, cell.column) not in cells:
                told = {"_val": metrics.get("validation_perplexity"), "_test": metrics.get("test_perplexity")}
            for suffix, value in told.items():
                assert cells[cell.row, cell.column + suffix][seeds.index(cell.replica_seed)] == value


def test_nothing_is_kept_that_no_sweep_has() -> None:
    import results

    sweeps = list(results.kept_sweeps())
    for folder in {sweep.folder for sweep in sweeps}:
        planned = {one for sweep in sweeps if sweep.folder == folder for one in sweep.plan.generations}
        assert {path.name for path in folder.glob("generations/*")} <= planned


def test_histories_end_where_records_do() -> None:
    for sweep in kept():
        for generation_id, record in sweep.records.items():
            history = sweep.store.history(generation_id)
            assert [report.epoch for report in history] == list(range(1, record.generation.recipe.epochs + 1))
            assert history[-1].metrics["train_loss"] == record.metrics["train_loss"]
            assert math.isfinite(record.metrics["train_loss"])


@pytest.mark.parametrize(
    ("values", "prediction", "verdict"),
    [
        # mean -2, sd 1, half width 4.3027 / sqrt(3) = 2.484
        ((-1.0, -2.0, -3.0), "lower", "open"),
        ((-1.9, -2.0, -2.1), "lower", "holds"),
        ((1.9, 2.0, 2.1), "lower", "the opposite"),
        ((1.9, 2.0, 2.1), "higher", "holds"),
        ((-1.9, -2.0, -2.1), "higher", "the opposite"),
        ((-1.0, -2.0, -3.0), "higher", "open"),
        ((-1.0, -2.0, -3.0), "equal", "not refuted"),
        ((-1.9, -2.0, -2.1), "equal", "the opposite"),
        ((1.9, 2.0, 2.1), "equal", "the opposite"),
        ((-5.0, None, None), "lower", "one seed"),
    ],
)
def test_verdicts(values: tuple[float | None, ...], prediction: Any, verdict: str) -> None:
    import results_claims

    assert results_claims.verdict(PairedDifference(values), prediction) == verdict


def test_findings_are_the_first_column_minus_the_second() -> None:
    import results_claims

    claim = results_claims.Claim("students win", "", "lower", (("ban", "teacher"), ("dkpp", "teacher")))
    figures = {("a", "teacher"): [30.0, 32.0], ("a", "ban"): [28.0, 30.5], ("b", "ban"): [1.0, 1.0]}
    (found,) = results_claims.findings(claim, ["a", "b"], figures)
    assert (found.row, found.first, found.second) == ("a", "ban", "teacher")
    assert found.paired.values == (-2.0, -1.5)


def test_several_networks_are_also_taken_together() -> None:
    import results_claims

    claim = results_claims.Claim("students win", "", "lower", (("ban", "teacher"),))
    figures = {
        ("a", "teacher"): [30.0, 32.0, None],
        ("a", "ban"): [28.0, 29.0, 30.0],
        ("b", "teacher"): [40.0, 40.0, 40.0],
        ("b", "ban"): [39.0, 36.0, 35.0],
    }
    *_, together = results_claims.findings(claim, ["a", "b"], figures)
    assert together.row == results_claims.ALL_ROWS
    # -2, -3, -1, -4, -5: mean -3, sd 1.581, half width 2.776 * 1.581 / sqrt(5) = 1.963
    assert together.paired.mean == -3
    assert together.paired.interval == pytest.approx((-4.963, -1.037), abs=1e-3)
    assert together.verdict == "holds"


def test_every_claim_is_about_columns_that_a_sweep_has() -> None:
    from results_claims import IMAGE_CLAIMS, TEXT_CLAIMS

    import results

    plans = [sweep.plan for sweep in results.kept_sweeps()]
    columns = {column + suffix for plan in plans for column in plan.columns for suffix in ("", "_val", "_test")}
    for claim in (*IMAGE_CLAIMS, *TEXT_CLAIMS):
        assert {column for pair in claim.pairs for column in pair} <= columns, claim.name
