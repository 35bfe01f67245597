"""What `bansweep run` shows on stderr: a live tree on a terminal, a line for each event elsewhere."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console, ConsoleDimensions
from rich.live import Live

from bansweep.graph.events import SweepEvent
from bansweep.service.event_lines import EventLines
from bansweep.service.sweep_state import SweepState
from bansweep.service.tree import ProgressTree


class Display:
    """Shows a sweep's state after each of its events."""

    def __init__(self, state: SweepState, console: Console) -> None:
        self._state = state
        self._console = console
        self._lines = EventLines(state)
        self._started = False
        self._width = console.width

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the tree until the block ends, on a terminal that can show one, then removes it."""
        if not (isinstance(self._console, MessageConsole) and self._console.shows_live_views):
            with suppress(OSError):
                self._console.print(f"starting  {self._state.counts}", soft_wrap=True)
            with bansweep_warnings_shown(self._console):
                yield
            return
        self._lines = EventLines(self._state, only_ends=True)
        with self._live(), bansweep_warnings_shown(self._console):
            yield

    @contextmanager
    def _live(self) -> Iterator[None]:
        """Errors of a lost terminal do not stop a sweep."""
        live = Live(
            get_renderable=self._tree,
            console=self._console,
            transient=True,
            refresh_per_second=4,
            # What libraries print goes to the sweep's log, and not above the tree.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with suppress(OSError):
            live.start(refresh=True)
        try:
            yield
        finally:
            with suppress(OSError):
                live.stop()

    def handle(self, event: SweepEvent) -> None:
        """Shows an event that the state has already handled. A lost terminal does not stop a sweep."""
        self._started = True
        line = self._lines.line(event)
        if line is not None:
            with suppress(OSError):
                self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _tree(self) -> ProgressTree:
        if self._console.width < self._width:
            # The terminal may have wrapped the lines to replace, into an unknown number.
            self._console.clear()
        self._width = self._console.width
        return ProgressTree(self._state.status, prefix="" if self._started else "starting Ray; ")


class MessageConsole(Console):
    """The console for messages. When its reader closes the pipe it becomes quiet; rich would end the process."""

    def on_broken_pipe(self) -> None:
        self.quiet = True

    @property
    def shows_live_views(self) -> bool:
        """Whether it can redraw in place."""
        return self.is_terminal and not self.is_dumb_terminal and not self.is_jupyter and not self.quiet

    @property
    def size(self) -> ConsoleDimensions:
        """The size of the terminal that it writes to; rich asks the standard streams, which may be redirected."""
        if self.is_terminal and not self.is_dumb_terminal and not {"COLUMNS", "LINES"} & os.environ.keys():
            try:
                columns, lines = os.get_terminal_size(self.file.fileno())
            except (OSError, ValueError):
                return super().size
            if columns > 0 and lines > 0:
                return ConsoleDimensions(columns, lines)
        return super().size

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size


@contextmanager
def bansweep_warnings_shown(console: Console) -> Iterator[None]:
    """Prints warnings of bansweep's loggers, which library output would hide. Side effect: the logger's handlers,
    until the block ends."""
    logger, handler = logging.getLogger("bansweep"), _Lines(console)
    propagated = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated


class _Lines(logging.Handler):
    """A line for each record, above the live view."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            self._console.print(f"{record.levelname.lower():<9} {record.getMessage()}", soft_wrap=True, markup=False)
