"""What the paper claims of its students, as differences that a sweep's columns can show.

Each claim is read off pairs of columns: the first minus the second, seed by seed. A pair that a sweep lacks is left
out. Figures are errors or perplexities, so that a negative difference means that the first column is better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bansweep.report.paired_difference import PairedDifference, paired_difference

Prediction = Literal["lower", "higher", "equal"]
Verdict = Literal["holds", "not refuted", "open", "the opposite", "one seed"]


@dataclass(frozen=True)
class Claim:
    """One of the paper's claims. `prediction` is what it says of the difference; `source` where it says so."""

    name: str
    source: str
    prediction: Prediction
    pairs: tuple[tuple[str, str], ...]


ALL_ROWS = "all together"


@dataclass(frozen=True)
class Finding:
    """What one row of a sweep's table, or `ALL_ROWS`, says of one pair of columns."""

    row: str
    first: str
    second: str
    paired: PairedDifference
    verdict: Verdict


IMAGE_CLAIMS = (
    Claim("Students beat their teachers", "tables 1-3", "lower", (("ban-1", "teacher"),)),
    Claim("Students learn no less without labels: BAN beats BAN+L", "table 2", "lower", (("ban-1", "ban+l"),)),
    Claim(
        "The same where BAN+L's two losses are averaged, so that its gradient is no larger than BAN's",
        "not in it: a control",
        "lower",
        (("ban-1", "ban+l-mean"),),
    ),
    Claim(
        "The teacher's confidence alone helps (CWTM), and so do its wrong answers in disorder (DKPP)",
        "table 2",
        "lower",
        (("cwtm", "teacher"), ("dkpp", "teacher")),
    ),
    Claim(
        "Neither helps as much as what the teacher really says",
        "table 2",
        "lower",
        (("ban-1", "cwtm"), ("ban-1", "dkpp")),
    ),
    Claim(
        "Gains saturate: later generations are no better than the first",
        "section 3.1 and table 2",
        "equal",
        (("ban-2", "ban-1"), ("ban-3", "ban-2")),
    ),
    Claim(
        "An ensemble of generations beats each of them",
        "table 2",
        "lower",
        (("ens*2", "ban-2"), ("ens*3", "ban-3")),
    ),
    Claim("An ensemble of generations beats the teacher by most", "table 2", "lower", (("ens*3", "teacher"),)),
    Claim(
        "Students of another architecture beat its own training on labels",
        "tables 4 and 5",
        "lower",
        (("ban-of-densenet", "teacher"), ("ban-of-wrn", "teacher")),
    ),
    Claim(
        "Students of another architecture beat their teachers",
        "tables 4 and 5",
        "lower",
        (("ban-of-densenet", "densenet"), ("ban-of-wrn", "wrn")),
    ),
)

TEXT_CLAIMS = (
    Claim("Students with labels (BAN+L) beat their teachers", "table 6", "lower", (("ban+l-1_test", "teacher_test"),)),
    Claim(
        "The same where BAN+L's two losses are averaged, so that its gradient is no larger than the teacher's",
        "not in it: a control",
        "lower",
        (("ban+l-mean_test", "teacher_test"),),
    ),
    Claim(
        "Without labels they do not",
        "the discussion of table 6",
        "higher",
        (("ban_test", "teacher_test"), ("ban_test", "ban+l-1_test")),
    ),
    Claim("A second generation gains no more", "section 3.1", "equal", (("ban+l-2_test", "ban+l-1_test"),)),
    Claim("An ensemble beats its members", "table 2, of images", "lower", (("ens*2_test", "ban+l-2_test"),)),
)


def findings(
    claim: Claim, rows: Sequence[str], values: Mapping[tuple[str, str], Sequence[float | None]]
) -> tuple[Finding, ...]:
    """What is known of a claim, pair by pair: `values` has the figures of each (row, column), one for each seed."""
    return tuple(found for pair in claim.pairs for found in _findings_of_pair(claim, pair, rows, values))


def _findings_of_pair(
    claim: Claim,
    pair: tuple[str, str],
    rows: Sequence[str],
    values: Mapping[tuple[str, str], Sequence[float | None]],
) -> list[Finding]:
    first, second = pair
    by_row = {
        row: paired_difference(values[row, first], values[row, second])
        for row in rows
        if (row, first) in values and (row, second) in values
    }
    by_row = {row: paired for row, paired in by_row.items() if paired.n}
    if len(by_row) > 1:
        # Rows share no training, so that their differences are draws of their own; that networks gain differently
        # makes the interval wider, never narrower.
        by_row[ALL_ROWS] = PairedDifference(tuple(value for paired in by_row.values() for value in paired.values))
    return [Finding(row, first, second, paired, verdict(paired, claim.prediction)) for row, paired in by_row.items()]


def verdict(paired: PairedDifference, prediction: Prediction) -> Verdict:
    """Whether an interval of differences bears a prediction out.

    `equal` can only be refuted, or not: that an interval contains 0 is no proof, least of all with few seeds.
    """
    if paired.interval is None:
        return "one seed"
    low, high = paired.interval
    if prediction == "equal":
        return "not refuted" if low <= 0 <= high else "the opposite"
    if prediction == "higher":
        low, high = -high, -low
    if high < 0:
        return "holds"
    return "the opposite" if low > 0 else "open"
