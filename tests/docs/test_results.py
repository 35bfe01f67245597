"""docs/results.md says what results/ holds, and what is held there is of one piece."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bansweep.config.data import is_text
from bansweep.report.paired_differences import PairedDifference

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _generators_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs" / "generators")


def kept() -> list[Any]:
    import results

    found = [sweep for sweep in results.kept_sweeps() if sweep.records]
    assert found, "results/ has no generation of any sweep"
    return found


def test_the_page_and_its_pictures_are_up_to_date() -> None:
    import results

    assert results.outdated() == [], f"run {results.COMMAND}"


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
        for cell in sweep.report["cells"]:
            known = [value for value in cell["values"] if value is not None]
            assert cell["mean"] == (pytest.approx(np.mean(known)) if known else None)
            assert cell["sd"] == (pytest.approx(np.std(known, ddof=1)) if len(known) > 1 else None)


def test_nothing_is_kept_that_no_sweep_has() -> None:
    import results

    sweeps = list(results.kept_sweeps())
    for folder in {sweep.folder for sweep in sweeps}:
        planned = {one for sweep in sweeps if sweep.folder == folder for one in sweep.plan.generations}
        stored = {path.name for path in folder.glob("generations/*")}
        assert stored
        assert stored <= planned


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
        ((1.9, 2.0, 2.1), "lower", "does not hold"),
        ((1.9, 2.0, 2.1), "higher", "holds"),
        ((-1.9, -2.0, -2.1), "higher", "does not hold"),
        ((-1.0, -2.0, -3.0), "higher", "open"),
        ((-1.0, -2.0, -3.0), "not lower", "not refuted"),
        ((-1.9, -2.0, -2.1), "not lower", "does not hold"),
        ((1.9, 2.0, 2.1), "not lower", "holds"),
        ((-5.0, None, None), "lower", "unknown"),
    ],
)
def test_verdicts(values: tuple[float | None, ...], prediction: Any, verdict: str) -> None:
    import results_findings

    assert results_findings.verdict(PairedDifference(values), prediction) == verdict


def findings_of(*pairs: tuple[Any, ...], **figures: list[float | None]) -> tuple[Any, ...]:
    """Of `a_ban=[...]`: the figures of row a, column ban."""
    from results_claims import Claim, Pair
    from results_findings import findings

    by_place = {tuple(name.split("_")): values for name, values in figures.items()}
    rows = sorted({row for row, _ in by_place})
    return findings(Claim("students win", "", tuple(Pair(*pair) for pair in pairs)), rows, by_place)


def test_findings_are_the_first_column_minus_the_second() -> None:
    found = findings_of(
        ("ban", "teacher"), ("dkpp", "teacher"), a_teacher=[30.0, 32.0], a_ban=[28.0, 30.5], b_ban=[1.0, 1.0]
    )
    [only] = found
    assert (only.row, only.name) == ("a", "ban − teacher")
    assert only.paired.values == (-2.0, -1.5)
    assert (only.mean_text, only.seeds_text) == ("-1.75", "-2.00, -1.50")


def test_several_networks_are_also_taken_together() -> None:
    from results_findings import ALL_ROWS, taken_together

    found = findings_of(
        ("ban", "teacher"),
        a_teacher=[30.0, 32.0, None],
        a_ban=[28.0, 29.0, 30.0],
        b_teacher=[40.0, 40.0, 40.0],
        b_ban=[39.0, 36.0, 35.0],
    )
    [together] = taken_together(found)
    assert (together.row, together.paired.n) == (ALL_ROWS, 5)
    # -2, -3, -1, -4, -5: mean -3, sd 1.581, half width 2.776 * 1.581 / sqrt(5) = 1.963
    assert together.paired.mean == -3
    assert together.paired.interval == pytest.approx((-4.963, -1.037), abs=1e-3)
    assert together.interval_text == "-4.96 to -1.04"
    assert together.verdict == "holds"


@pytest.mark.parametrize(
    ("second_ban", "verdict"),
    [([8.0, 8.1, 8.2], "holds"), ([9.0, 10.0, 11.0], "in part"), ([12.0, 12.1, 12.2], "in part")],
)
def test_a_claim_about_several_pairs_may_hold_in_part(second_ban: list[float | None], verdict: str) -> None:
    from results_findings import claim_verdict

    found = findings_of(
        ("ban", "teacher"), ("ban2", "teacher"), a_teacher=[10.0] * 3, a_ban=[9.0, 9.1, 9.2], a_ban2=second_ban
    )
    assert claim_verdict(found) == verdict


def test_rows_that_seeds_treat_alike_are_told() -> None:
    from results_findings import correlation

    def of(*second: float) -> float | None:
        return correlation(
            findings_of(
                ("ban", "teacher"),
                a_teacher=[0.0] * 3,
                a_ban=[1.0, 2.0, 3.0],
                b_teacher=[0.0] * 3,
                b_ban=list(second),
            )
        )

    assert of(11.0, 12.0, 13.0) == pytest.approx(1)
    assert of(3.0, 2.0, 1.0) == pytest.approx(-1)
    assert of(1.0, -2.0, 1.0) == pytest.approx(0)
    assert correlation(findings_of(("ban", "teacher"), a_teacher=[1.0, 2.0], a_ban=[1.0, 1.0])) is None


def test_every_claim_is_about_columns_that_its_sweeps_have() -> None:
    from results_claims import IMAGE_CLAIMS, TEXT_CLAIMS

    import results

    columns: dict[bool, set[str]] = {False: set(), True: set()}
    for sweep in results.kept_sweeps():
        of_text = is_text(sweep.spec.data)
        columns[of_text] |= {column + ("_test" if of_text else "") for column in sweep.plan.columns}
    for of_text, claims in ((False, IMAGE_CLAIMS), (True, TEXT_CLAIMS)):
        assert {column for claim in claims for pair in claim.pairs for column in (pair.first, pair.second)} <= columns[
            of_text
        ]


def test_the_papers_differences_are_those_of_its_tables() -> None:
    from results_claims import PaperDifference

    # 16.95 - 18.25, 16.69 - 17.69, 16.36 - 17.16, 16.00 - 16.87
    ban = PaperDifference("table2", "ban", "teacher")
    assert ban.values == pytest.approx([-1.30, -1.00, -0.80, -0.87])
    assert str(ban) == "-1.30 to -0.80 (table 2)"
    assert len(PaperDifference("table2", "ban-3", "ban-1").values) == 3, "one network has no third generation"
    assert str(PaperDifference("table5", "ban", 17.69)) == "-0.56 to +1.43 (table 5)"


def test_a_picture_tells_its_figures_and_so_whether_it_is_outdated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import picture_style
    import results_pictures

    monkeypatch.setattr(picture_style, "FOLDER", tmp_path)
    found = findings_of(
        ("ban", "teacher"),
        a_teacher=[30.0, 31.0, 32.5],
        a_ban=[28.0, 29.0, 30.5],
        b_teacher=[9.0, 10.0, 11.5],
        b_ban=[9.5, 10.5, 12.0],
    )
    drawn = results_pictures.draw("some", found, "percentage points")
    told = results_pictures.described(drawn)
    assert told == results_pictures.description(found)
    assert told.startswith("ban − teacher, a: -2.00 (-2.00 to -2.00); ban − teacher, b: +0.50 (+0.50 to +0.50)")
    assert results_pictures.described(tmp_path / "other.svg") is None
