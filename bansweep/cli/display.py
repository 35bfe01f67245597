"""What `bansweep run` shows while it runs, on stderr: a live view on a terminal, a line an event elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bansweep.cli.sweep_state import SweepState, duration_text, metric_text
from bansweep.plan.events import (
    EpochFinished,
    GenerationBlocked,
    GenerationFailed,
    GenerationFinished,
    GenerationStarted,
    SweepEvent,
)


class MessageConsole(Console):
    """Where messages go. When its reader goes away it falls silent; rich would end the process."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


SECONDS_BETWEEN_LINES = 10.0


class Display:
    """Shows a sweep's state after each of its events."""

    def __init__(self, state: SweepState, console: Console) -> None:
        self._state = state
        self._console = console
        self._live: Live | None = None
        self._printed_at: dict[str, float] = {}
        self._started = False

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keep the live view on screen meanwhile, where there is a terminal."""
        if not self._console.is_terminal:
            with suppress(OSError):
                self._console.print(f"starting  {self._state.counts}", soft_wrap=True)
            yield
            return
        with Live(self._view(), console=self._console, transient=True, refresh_per_second=4) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def handle(self, event: SweepEvent) -> None:
        """Show an event that the state has taken in. Nobody being there to look is no reason to stop a sweep."""
        with suppress(OSError):
            self._show(event)

    def _show(self, event: SweepEvent) -> None:
        self._started = True
        line = self._line(event)
        if line is not None:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)
        if self._live is not None:
            self._live.update(self._view())

    def _line(self, event: SweepEvent) -> str | None:
        """The line that stays; None for what a live view shows anyway."""
        label = self._state.plan.label(event.generation_id)
        match event:
            case GenerationStarted(_, epochs_done):
                going_on = f", goes on after epoch {epochs_done}" if epochs_done else ""
                return None if self._live is not None else f"started   {label}{going_on}"
            case EpochFinished(_, report):
                if self._live is not None or not self._is_due(event.generation_id, report.finished_at):
                    return None
                running = self._state.running[event.generation_id]
                left = f", {duration_text(running.time_left_s)} left" if running.time_left_s else ""
                return f"epoch     {label}: {report.epoch}/{report.epochs}, {metric_text(report)}{left}"
            case GenerationFinished(_, reused):
                last = self._state.last_reports.get(event.generation_id)
                result = ", trained by another process" if reused else f", {metric_text(last)}" if last else ""
                return f"finished  {label}{result}; {self._state.counts}"
            case GenerationFailed(_, reason):
                return f"failed    {label}: {reason}"
            case GenerationBlocked(_, cause):
                return f"blocked   {label}: its ancestor {self._state.plan.label(cause)} failed"

    def _is_due(self, generation_id: str, now: float) -> bool:
        """Whether a generation's next line is worth printing: not more often than every few seconds."""
        if now - self._printed_at.get(generation_id, 0.0) < SECONDS_BETWEEN_LINES:
            return False
        self._printed_at[generation_id] = now
        return True

    def _view(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for generation_id, running in self._state.running.items():
            left = running.time_left_s
            table.add_row(
                self._state.plan.label(generation_id),
                ProgressBar(total=running.epochs, completed=running.epochs_done, width=20),
                f"epoch {running.epochs_done}/{running.epochs}",
                metric_text(last) if (last := self._state.last_reports.get(generation_id)) else "",
                f"{duration_text(left)} left" if left else "",
            )
        counts = self._state.counts if self._started else f"starting Ray; {self._state.counts}"
        return Group(table, Text(counts, style="bold"))
