"""The metric of a sweep's networks: the test error for images, two perplexities for texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bansweep.config.networks import is_language_model
from bansweep.formatting import figure_difference_text
from bansweep.graph.plan import Plan

MetricName = Literal["test_error", "perplexity"]


@dataclass(frozen=True)
class Split:
    """A held-out split that the table shows: `recorded_as` in a record's metrics, `suffix` in the table's columns."""

    recorded_as: str
    suffix: str = ""


@dataclass(frozen=True)
class Metric:
    """A metric, of which lower is better, and how it is written.

    `heading` is the heading of figures, with their unit; `difference_unit` is that of differences. The table has every
    column of the sweep once for each of `splits`.
    """

    name: MetricName
    heading: str
    difference_unit: str
    splits: tuple[Split, ...]

    def columns(self, columns: Iterable[str]) -> tuple[str, ...]:
        """The table's columns for those of a sweep, split by split: `teacher_val, ban_val, teacher_test, ban_test`."""
        names = tuple(columns)
        return tuple(name + split.suffix for split in self.splits for name in names)

    def text(self, value: float) -> str:
        """Two decimals, as the paper has it: 10,000 test images resolve no more percent. `17.42`."""
        return f"{value:.2f}"

    def difference_text(self, value: float) -> str:
        """The difference of two figures, always with a sign: `-0.73`, `+0.00`."""
        return figure_difference_text(self.name, value)


TEST_ERROR = Metric(
    name="test_error",
    heading="Test error, %",
    difference_unit="percentage points",
    splits=(Split("test_error"),),
)


# The suffixes are those of the paper's table 6.
PERPLEXITY = Metric(
    name="perplexity",
    heading="Perplexity",
    difference_unit="perplexity",
    splits=(Split("validation_perplexity", "_val"), Split("test_perplexity", "_test")),
)


def metric_of(plan: Plan) -> Metric:
    """The metric of a plan. Raises ValueError for a mixture; a valid sweep has one data set, and so one metric."""
    of_text = {is_language_model(generation.network) for generation in plan.generations.values()}
    if len(of_text) > 1:
        raise ValueError(f"{plan.sweep}: image networks and language models have no metric in common")
    return PERPLEXITY if True in of_text else TEST_ERROR
