"""The difference from the paper's figure, by hand."""

from __future__ import annotations

import math

import pytest

from bansweep.report.cells import ReportCell, mean, sample_deviation
from bansweep.report.metrics import TEST_ERROR
from bansweep.report.notation import paper_verdict
from bansweep.report.paired_differences import PaperDifference, paper_difference


def cell(*values: float | None, paper: float | None, rehearsal: bool = False) -> ReportCell:
    return ReportCell(
        row="wrn-28-1",
        column="ban",
        metric=TEST_ERROR,
        values=values,
        mean=mean(values),
        sd=sample_deviation(values),
        paper=paper,
        kind="generation",
        rehearsal=rehearsal,
    )


def found(*values: float | None, paper: float) -> PaperDifference:
    difference = paper_difference(cell(*values, paper=paper))
    assert difference is not None
    return difference


def test_the_interval_is_that_of_one_more_seed() -> None:
    # t(0.975; 2) = 4.302653, sd 0.5, n = 3: 4.302653 * 0.5 * sqrt(4 / 3) = 2.484138
    difference = found(18.0, 17.5, None, 17.0, paper=17.0)
    assert difference.mean == pytest.approx(0.5)
    assert difference.interval == pytest.approx((-2.484138, 2.484138), abs=1e-5)
    assert paper_verdict(difference) == "within seed noise"


@pytest.mark.parametrize(
    ("paper", "verdict"),
    [
        (17.5 + 2.48, "within seed noise"),
        (17.5 + 2.49, "better, beyond seed noise"),
        (17.5 - 2.49, "worse, beyond seed noise"),
    ],
)
def test_verdicts_change_at_its_ends(paper: float, verdict: str) -> None:
    assert paper_verdict(found(18.0, 17.5, 17.0, paper=paper)) == verdict


def test_one_seed_says_nothing_of_noise() -> None:
    difference = found(18.0, None, paper=17.0)
    assert (difference.mean, difference.interval, difference.within_noise) == (1.0, None, None)
    assert paper_verdict(difference) == ""


def test_infinite_figures_have_no_interval() -> None:
    assert found(math.inf, 17.0, paper=17.0).within_noise is None


def test_nothing_to_compare() -> None:
    assert paper_difference(cell(None, None, paper=17.0)) is None
    assert paper_difference(cell(18.0, 17.0, paper=None)) is None
    assert paper_difference(cell(18.0, 17.0, paper=17.0, rehearsal=True)) is None
