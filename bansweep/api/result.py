"""What a sweep came to, as pandas DataFrames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from bansweep.api.frames import cells_frame, generations_frame, histories_frame, table_frame
from bansweep.api.sweep import Sweep
from bansweep.plan.chains import ChainEnd, without_ended
from bansweep.plan.plan import Plan
from bansweep.report.document import Outcome
from bansweep.service.request import SweepRequest
from bansweep.service.sweep_report import SweepReport, sweep_report
from bansweep.store.store import Store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SweepResult:
    """A sweep's generations as its store held them when this was made, and what became of them.

    Errors are in percent, perplexities as they are, losses in nats, times in seconds.
    """

    sweep: Sweep
    request: SweepRequest = field(repr=False)
    ends: Sequence[ChainEnd] = field(repr=False)
    outcome: Outcome = field(repr=False)

    @property
    def trained(self) -> tuple[str, ...]:
        """The ids of the generations that this run trained."""
        return self.outcome.trained

    @property
    def reused(self) -> tuple[str, ...]:
        """The ids of those that the store had before."""
        return self.outcome.reused

    @property
    def failed(self) -> Mapping[str, str]:
        """Id -> why it failed."""
        return self.outcome.failed

    @property
    def store(self) -> Store:
        """Where weights, predictions and records are: `store.record(id)`, `store.weights(id)`, ..."""
        return self.request.store

    @property
    def plan(self) -> Plan:
        """The plan, without what chains that stopped improving have left out."""
        return without_ended(self.request.plan, self.ends)

    @cached_property
    def report(self) -> SweepReport:
        """The report: `report.page` is the HTML page, `report.document` what `bansweep report --json` prints."""
        return sweep_report(self.request, self.ends, self.outcome)

    def table(self) -> pd.DataFrame:
        """Networks by columns, as `bansweep report` shows them: means over seeds, NaN where nothing is finished."""
        return table_frame(self.report.table)

    def cells(self) -> pd.DataFrame:
        """A line for each cell and seed: `row`, `column`, `kind` (generation or ensemble), `seed`, `value`, `paper`."""
        return cells_frame(self.report.table)

    def generations(self) -> pd.DataFrame:
        """A line for each generation, by its id: its place, network, loss, teacher and state; of finished ones metrics.

        One that several cells show stands here once: `columns` has all of them, in the `row` that shows it first.
        """
        return generations_frame(self.plan, self.store)

    def histories(self) -> pd.DataFrame:
        """A line for each finished generation, epoch and metric: `generation`, `label`, `epoch`, `metric`, `value`."""
        return histories_frame(self.plan, self.store)

    def _repr_html_(self) -> str:
        html: str = self.table().to_html(float_format=lambda value: f"{value:.2f}", na_rep="")
        return html
