"""A running sweep as a tree on a terminal: its rows, below each its columns, and how far each of them is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from bansweep.cli.sweep_state import RunningTraining, SweepState, duration_text, metric_text

_BAR_WIDTH = 16
_NARROW = 80
_MARGIN = 2  # a line for the counts, and one that the cursor stands in
_STYLES = {
    "finished": "green",
    "in the store": "green",
    "training": "bold",
    "searching": "bold",
    "failed": "bold red",
    "blocked": "red",
}


@dataclass(frozen=True)
class _Line:
    """A line of the tree: a row's name, or one of its columns."""

    label: str
    state: str = ""
    training: RunningTraining | None = None
    remark: str = ""


class ProgressTree:
    """The tree as large as the terminal is: where it does not fit, what does not run is only counted."""

    def __init__(self, state: SweepState, *, started: bool) -> None:
        self._state = state
        self._started = started

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = max(4, (options.height or console.size.height) - _MARGIN)
        lines = list(self._lines(running_only=False))
        if len(lines) > height:
            lines = list(self._lines(running_only=True))
        left_out = len(lines) - height
        if left_out > 0:
            lines = [*lines[: height - 1], _Line(f"... and {left_out + 1} lines more")]
        yield self._table(lines, wide=options.max_width >= _NARROW)
        counts = self._state.counts if self._started else f"starting Ray; {self._state.counts}"
        left = self._state.time_left_s
        yield Text(f"{counts}; about {duration_text(left)} left" if left else counts, style="bold", no_wrap=True)
        yield Segment.line()

    def _lines(self, *, running_only: bool) -> Iterator[_Line]:
        """Rows with their columns; or with those that run, and how many there are in each other state."""
        for row, ids in self._state.rows.items():
            states = {generation_id: self._state.state_of(generation_id) for generation_id in ids}
            others = Counter(state for state in states.values() if state not in ("training", "searching"))
            counted = ", ".join(f"{amount} {state}" for state, amount in others.items())
            yield _Line(row, remark=counted if running_only else "")
            for generation_id, state in states.items():
                if not running_only or state in ("training", "searching"):
                    yield from self._generation(generation_id, state)

    def _generation(self, generation_id: str, state: str) -> Iterator[_Line]:
        training = self._state.trainings.get(generation_id)
        report = self._state.last_reports.get(generation_id)
        remark = metric_text(report) if report is not None and training is None else ""
        if state == "failed":
            remark = self._state.failed[generation_id].splitlines()[0]
        yield _Line(f"  {self._state.column_of(generation_id)}", state, training, remark)
        for candidate in self._state.candidates_of(generation_id):
            yield _Line(f"    {candidate.label.rpartition(', ')[2]}", "training", candidate)

    @staticmethod
    def _table(lines: list[_Line], *, wide: bool) -> Table:
        table = Table.grid(padding=(0, 2))
        for _ in range(5 if wide else 3):
            table.add_column(no_wrap=True, overflow="ellipsis")
        for line in lines:
            label = Text(line.label, style="bold" if line.training is not None or not line.state else "")
            training = line.training
            if training is None:
                state = Text(line.state or line.remark, style=_STYLES.get(line.state, "dim"))
                cells: list[ProgressBar | Text] = [label, state, Text(line.remark if line.state else "")]
            else:
                told = metric_text(training.last_report) if training.last_report else ""
                epochs = f"epoch {training.epochs_done}/{training.epochs}"
                bar = ProgressBar(total=training.epochs, completed=training.epochs_done, width=_BAR_WIDTH)
                cells = [label, bar if wide else Text(epochs), Text(f"{epochs}  {told}" if wide else told)]
                cells += [Text(training.speed_text), Text(training.time_left_text)]
            table.add_row(*cells[: 5 if wide else 3])
        return table
