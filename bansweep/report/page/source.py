"""What the page is made from: the table, the plan, and what the store has recorded of its generations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from bansweep.errors import DamagedError
from bansweep.plan.events import EpochReport
from bansweep.plan.plan import Plan
from bansweep.report.page.commands import Commands
from bansweep.report.table import ReportTable
from bansweep.store.records import GenerationRecord


class RecordedGenerations(Protocol):
    """Finished generations by their ids, as `bansweep.store.store.Store` has them. Both raise DamagedError."""

    def record(self, generation_id: str, /) -> GenerationRecord | None: ...

    def history(self, generation_id: str, /) -> Sequence[EpochReport]: ...


@dataclass(frozen=True)
class PageSource:
    """`plan` is the one that `table` was made from; `device_hours` what the sweep has spent, by generation id."""

    table: ReportTable
    plan: Plan
    store: RecordedGenerations
    commands: Commands
    device_hours: Mapping[str, float] = field(default_factory=dict)
    # Several sections show the same ones.
    _histories: dict[str, Sequence[EpochReport]] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def records(self) -> dict[str, GenerationRecord]:
        """Of the plan's generations that are finished and undamaged. The table says what is wrong with the others."""
        found = {}
        for generation_id in self.plan.generations:
            try:
                record = self.store.record(generation_id)
            except DamagedError:
                continue
            if record is not None:
                found[generation_id] = record
        return found

    def history(self, generation_id: str) -> Sequence[EpochReport]:
        """The epochs of a generation; none of one that is unfinished or damaged."""
        if generation_id not in self._histories:
            self._histories[generation_id] = self._read_history(generation_id)
        return self._histories[generation_id]

    def _read_history(self, generation_id: str) -> Sequence[EpochReport]:
        if generation_id not in self.records:
            return ()
        try:
            return self.store.history(generation_id)
        except DamagedError:
            return ()

    @property
    def metric_name(self) -> str:
        """What pictures show of a finished generation: the metric of the table's last split, the test split."""
        return self.table.metric.splits[-1].recorded_as

    def figure(self, generation_id: str) -> float | None:
        """That metric of a generation; None of an unfinished one."""
        record = self.records.get(generation_id)
        return None if record is None else float(record.metrics[self.metric_name])

    def shown_column(self, column: str) -> str:
        """The table's column that has this metric for a column of the sweep."""
        return column + self.table.metric.splits[-1].suffix
