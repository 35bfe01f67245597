"""What the paper claims of its students, as differences that a sweep's columns can show.

Each claim is read off pairs of columns: the first minus the second, seed by seed. A pair that a sweep lacks is left
out. Figures are errors or perplexities, so that a negative difference means that the first column is better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bansweep.report.metrics import TEST_ERROR
from bansweep.report.paper_figures import paper_figure, paper_table

Prediction = Literal["lower", "higher", "not lower"]

OWN_ERROR_OF_DENSENET_90_60 = 17.69
"""On CIFAR-100, from labels: the teacher of tables 4 and 5, and what table 3's students are to be compared with."""


@dataclass(frozen=True)
class PaperDifference:
    """A column of one of the paper's tables minus another one, or minus a figure."""

    table: str
    first: str
    second: str | float

    @property
    def values(self) -> list[float]:
        """One for each network of which the table has both figures."""
        pairs = [
            (self._figure(row, self.first), self._figure(row, self.second)) for row in paper_table(self.table).rows
        ]
        return [first - second for first, second in pairs if first is not None and second is not None]

    def __str__(self) -> str:
        low, high = (TEST_ERROR.difference_text(most(self.values)) for most in (min, max))
        return f"{low} to {high} ({self.table.replace('table', 'table ')})"

    def _figure(self, row: str, column: str | float) -> float | None:
        return paper_figure(self.table, row, column) if isinstance(column, str) else column


@dataclass(frozen=True)
class Pair:
    """Two columns, what a claim says of the first minus the second, and what the paper has of it."""

    first: str
    second: str
    prediction: Prediction = "lower"
    paper: PaperDifference | None = None


@dataclass(frozen=True)
class Claim:
    """One of the paper's claims, and where it says so. A control is no claim of the paper's, but bears on one."""

    name: str
    source: str
    pairs: tuple[Pair, ...]
    is_control: bool = False


IMAGE_CLAIMS = (
    Claim(
        "Students beat their teachers",
        "tables 1 to 3, with four exceptions",
        (Pair("ban-1", "teacher", paper=PaperDifference("table2", "ban", "teacher")),),
    ),
    Claim(
        "Labels are not needed: BAN beats BAN+L",
        "table 2",
        (Pair("ban-1", "ban+l", paper=PaperDifference("table2", "ban", "ban+l")),),
    ),
    Claim(
        "The same where BAN+L's two losses are averaged, so that its gradient is no larger than BAN's",
        "not in it",
        (Pair("ban-1", "ban+l-mean"),),
        is_control=True,
    ),
    Claim(
        "The teacher's confidence alone helps a little (CWTM)",
        "section 5.2; in table 2 for two of four networks",
        (Pair("cwtm", "teacher", paper=PaperDifference("table2", "cwtm", "teacher")),),
    ),
    Claim(
        "Its wrong answers in disorder help a little (DKPP)",
        "section 5.2, table 2",
        (Pair("dkpp", "teacher", paper=PaperDifference("table2", "dkpp", "teacher")),),
    ),
    Claim(
        "Neither helps as much as what the teacher really says",
        "table 2",
        (
            Pair("ban-1", "cwtm", paper=PaperDifference("table2", "ban", "cwtm")),
            Pair("ban-1", "dkpp", paper=PaperDifference("table2", "ban", "dkpp")),
        ),
    ),
    Claim(
        "Later generations improve on the first",
        'section 5.2: "inconsistent but positive"',
        (
            Pair("ban-2", "ban-1", paper=PaperDifference("table2", "ban-2", "ban-1")),
            Pair("ban-3", "ban-1", paper=PaperDifference("table2", "ban-3", "ban-1")),
        ),
    ),
    Claim(
        "Gains saturate: the third generation is no better than the second",
        "sections 3.1 and 5.2, which say after a few",
        (Pair("ban-3", "ban-2", "not lower", PaperDifference("table2", "ban-3", "ban-2")),),
    ),
    Claim(
        "The mean of two or three generations beats each of them",
        "section 3.1, table 2",
        tuple(
            Pair(ensemble, member, paper=PaperDifference("table2", ensemble, member))
            for ensemble, members in (("ens*2", ("ban-1", "ban-2")), ("ens*3", ("ban-1", "ban-2", "ban-3")))
            for member in members
        ),
    ),
    Claim(
        "Ensembles help most: they beat BAN+L, too",
        "table 2",
        (Pair("ens*3", "ban+l", paper=PaperDifference("table2", "ens*3", "ban+l")),),
    ),
    Claim(
        "An ensemble of students beats the teacher",
        "table 2",
        (Pair("ens*3", "teacher", paper=PaperDifference("table2", "ens*3", "teacher")),),
    ),
    Claim(
        "A residual network learns more from a DenseNet than from labels",
        "table 5",
        (Pair("ban-of-densenet", "teacher", paper=PaperDifference("table5", "ban", "baseline")),),
    ),
    Claim(
        "A residual student beats its DenseNet teacher",
        "table 5, four of six",
        (
            Pair(
                "ban-of-densenet",
                "densenet",
                paper=PaperDifference("table5", "ban", OWN_ERROR_OF_DENSENET_90_60),
            ),
        ),
    ),
    Claim(
        "A DenseNet learns more from a Wide-ResNet than from labels",
        "table 3, for the two largest teachers of four",
        (
            Pair(
                "ban-of-wrn",
                "teacher",
                paper=PaperDifference("table3", "densenet-90-60", OWN_ERROR_OF_DENSENET_90_60),
            ),
        ),
    ),
    Claim(
        "A DenseNet student beats its Wide-ResNet teacher",
        "table 3",
        (Pair("ban-of-wrn", "wrn", paper=PaperDifference("table3", "densenet-90-60", "teacher")),),
    ),
)

TEXT_CLAIMS = (
    Claim(
        "Students with labels (BAN+L) beat their teachers",
        "table 6",
        (Pair("ban+l-1_test", "teacher_test", paper=PaperDifference("table6", "ban_test", "teacher_test")),),
    ),
    Claim(
        "The same where BAN+L's two losses are averaged, so that its gradient is no larger than the teacher's",
        "not in it",
        (Pair("ban+l-mean_test", "teacher_test"),),
        is_control=True,
    ),
    Claim(
        "Without labels students do not beat their teachers",
        "section 5.3",
        (Pair("ban_test", "teacher_test", "not lower"),),
    ),
    Claim(
        "Students need labels: BAN is worse than BAN+L", "section 5.3", (Pair("ban_test", "ban+l-1_test", "higher"),)
    ),
    Claim(
        "A second generation improves on the first",
        "section 5.2, of images",
        (Pair("ban+l-2_test", "ban+l-1_test"),),
    ),
    Claim(
        "The mean of two generations beats each of them",
        "table 2, of images",
        (Pair("ens*2_test", "ban+l-1_test"), Pair("ens*2_test", "ban+l-2_test")),
    ),
)
