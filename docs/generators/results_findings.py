"""What a sweep's figures say of the paper's claims."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from results_claims import Claim, Pair, Prediction

from bansweep.report.metrics import TEST_ERROR
from bansweep.report.paired_differences import PairedDifference, paired_difference

Verdict = Literal["holds", "not refuted", "in part", "open", "does not hold", "unknown"]
SIGNS: dict[Verdict, str] = {
    "holds": "✓",
    "not refuted": "≈",
    "in part": "±",
    "open": "·",
    "does not hold": "✗",
    "unknown": "?",
}
ALL_ROWS = "all together"

Figures = Mapping[tuple[str, str], Sequence[float | None]]
"""Of each (row, column), one for each seed."""


@dataclass(frozen=True)
class Finding:
    """What one row of a sweep's table, or `ALL_ROWS`, says of one pair of columns."""

    row: str
    pair: Pair
    paired: PairedDifference

    @property
    def verdict(self) -> Verdict:
        return verdict(self.paired, self.pair.prediction)

    @property
    def name(self) -> str:
        return f"{self.pair.first} − {self.pair.second}"

    @property
    def mean_text(self) -> str:
        return "" if self.paired.mean is None else _text(self.paired.mean)

    @property
    def interval_text(self) -> str:
        return "no interval" if self.paired.interval is None else " to ".join(map(_text, self.paired.interval))

    @property
    def seeds_text(self) -> str:
        """Seed by seed, where the finding is of one row."""
        return "" if self.row == ALL_ROWS else ", ".join(_text(one) for one in self.paired.values if one is not None)


def _text(value: float) -> str:
    return TEST_ERROR.difference_text(value)  # two decimals suit perplexities as well


def findings(claim: Claim, rows: Sequence[str], figures: Figures) -> tuple[Finding, ...]:
    """What is known of a claim, pair by pair and row by row, `ALL_ROWS` last where there are several."""
    return tuple(found for pair in claim.pairs for found in _findings_of_pair(pair, rows, figures))


def _findings_of_pair(pair: Pair, rows: Sequence[str], figures: Figures) -> list[Finding]:
    by_row = {
        row: paired_difference(figures[row, pair.first], figures[row, pair.second])
        for row in rows
        if (row, pair.first) in figures and (row, pair.second) in figures
    }
    by_row = {row: paired for row, paired in by_row.items() if paired.n}
    if len(by_row) > 1:
        # Taken for draws of their own, which rows of one seed are only as far as `correlation` of them is small. That
        # networks gain differently makes the interval wider, never narrower.
        by_row[ALL_ROWS] = PairedDifference(tuple(value for paired in by_row.values() for value in paired.values))
    return [Finding(row, pair, paired) for row, paired in by_row.items()]


def taken_together(found: Iterable[Finding]) -> list[Finding]:
    """For each pair the finding of all its rows, or of the only one."""
    return list({one.pair: one for one in found}.values())


def verdict(paired: PairedDifference, prediction: Prediction) -> Verdict:
    """Whether an interval of differences bears a prediction out.

    `not lower` can hardly be borne out: an interval that contains 0 does not refute it, and proves nothing.
    """
    if paired.interval is None:
        return "unknown"
    low, high = paired.interval
    if prediction == "higher":
        low, high = -high, -low
    if prediction == "not lower":
        return "does not hold" if high < 0 else "not refuted" if low <= 0 else "holds"
    return "holds" if high < 0 else "does not hold" if low > 0 else "open"


def claim_verdict(found: Iterable[Finding]) -> Verdict:
    """What all pairs of a claim say together: what each of them says, or that it holds in part."""
    verdicts = {one.verdict for one in taken_together(found)}
    if len(verdicts) == 1:
        return verdicts.pop()
    if verdicts == {"holds", "not refuted"}:
        return "not refuted"
    return "in part" if "holds" in verdicts else "does not hold" if "does not hold" in verdicts else "open"


def correlation(found: Iterable[Finding]) -> float | None:
    """How what a seed adds to a difference in one row goes with what it adds in another, over all pairs of columns.

    Pearson's coefficient of the differences' deviations from their rows' means; None where there are not two rows.
    """
    by_pair: dict[Pair, list[list[float]]] = {}
    for one in found:
        values = [value for value in one.paired.values if value is not None]
        if one.row != ALL_ROWS and len(values) == len(one.paired.values) and one.paired.mean is not None:
            by_pair.setdefault(one.pair, []).append([value - one.paired.mean for value in values])
    products = [
        (first * second, first * first, second * second)
        for rows in by_pair.values()
        for number, one_row in enumerate(rows)
        for other_row in rows[number + 1 :]
        for first, second in zip(one_row, other_row, strict=True)
    ]
    if not products:
        return None
    both, of_first, of_second = (sum(column) for column in zip(*products, strict=True))
    return float(both / (of_first * of_second) ** 0.5) if of_first and of_second else None
