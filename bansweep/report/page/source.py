"""The page's source: the table, the plan, stored records, limits, and commands to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from bansweep.errors import DamagedError
from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.report.stored_figures import intact_records
from bansweep.report.table import ReportTable
from bansweep.store.records import GenerationRecord

GENERATIONS = 300
"""Nodes of the lineage graph, and records."""
CHARTS = 12
"""Charts of one kind, one for each network."""
LINES = 12
"""Lines in one chart: more cannot be distinguished."""
SEEDS = 10
"""Histories that one line of a training curve is the mean of."""
EPOCHS = 100
"""Points of a line, and lines of the table beside it."""
POINTS = 1000
"""Students in the scatter plot."""
ENSEMBLES = 24
"""Ensembles in the picture, and in the table beside it."""
DIFFERENCES = 300
"""Students minus teachers, and minus baselines."""
COMMANDS = 300
"""Cells whose command is spelt out."""


@dataclass(frozen=True)
class PageSource:
    """`plan` is the plan of `table`; `device_hours` is the sweep's spending, by generation id."""

    table: ReportTable
    plan: Plan
    store: RecordedGenerations
    commands: Commands
    device_hours: Mapping[str, float] = field(default_factory=dict)
    # Several sections show the same histories.
    _histories: dict[str, Sequence[EpochReport]] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def records(self) -> dict[str, GenerationRecord]:
        """The records of the plan's finished and undamaged generations. The table names the damage of others."""
        return intact_records(self.store, self.plan.generations)

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
        """The metric in pictures: that of the table's last split, the test split."""
        return self.table.metric.splits[-1].recorded_as

    def figure(self, generation_id: str) -> float | None:
        """That metric of a generation; None of an unfinished one."""
        record = self.records.get(generation_id)
        return None if record is None else float(record.metrics[self.metric_name])

    def shown_column(self, column: str) -> str:
        """The table's column that has this metric for a column of the sweep."""
        return column + self.table.metric.splits[-1].suffix


class RecordedGenerations(Protocol):
    """Finished generations by their ids, as `bansweep.store.store.Store` has them. Both raise DamagedError."""

    def record(self, generation_id: str, /) -> GenerationRecord | None: ...

    def history(self, generation_id: str, /) -> Sequence[EpochReport]: ...


@dataclass(frozen=True)
class Commands:
    """Commands as a user writes them, from `sweep_file`, `store`, and the report's `changes` (`--set`, `--rehearse`).
    `holding` is the store with the generations: a rehearsal has its own inside `store`.
    """

    sweep_file: str
    store: str
    holding: str
    changes: Sequence[str] = ()

    @property
    def whole_sweep(self) -> str:
        """Trains everything in a new store."""
        return self._run()

    @property
    def this_page(self) -> str:
        """Makes this page again from the store, and opens it."""
        return shlex.join(["bansweep", "report", self.sweep_file, "--store", self.store, *self.changes, "--open"])

    def cell(self, row: str, column: str) -> str:
        """Trains one cell and its ancestors, for all seeds."""
        return self._run("--only", f"{row}/{column}")

    def show(self, generation_id: str) -> str:
        """Prints a record."""
        return shlex.join(["bansweep", "show", generation_id, "--store", self.holding])

    def folder(self, generation_id: str) -> str:
        """Where the store has a generation, once it is finished."""
        return f"{self.holding}/generations/{generation_id}/"

    def _run(self, *selection: str) -> str:
        run = ["bansweep", "run", self.sweep_file, "--store", "another-store"]
        return shlex.join([*run, *self.changes, *selection])


def left_out(shown: int, total: int, what: str, where: str = "report.csv has them all") -> str:
    """`12 of 100 networks are shown, the first in the sweep's order; ...`; nothing where all are."""
    if shown >= total:
        return ""
    return f"{shown:,} of {total:,} {what} are shown, the first in the sweep's order; {where}."
