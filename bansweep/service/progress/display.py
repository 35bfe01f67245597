"""What `bansweep run` shows while it runs, on stderr: a live tree on a terminal, a line an event elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.live import Live

from bansweep.plan.events import SweepEvent
from bansweep.service.progress.console import MessageConsole, own_warnings_shown
from bansweep.service.progress.event_lines import EventLines
from bansweep.service.progress.sweep_state import SweepState
from bansweep.service.progress.tree import ProgressTree

__all__ = ["Display", "MessageConsole"]


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
        """Keep the tree on screen meanwhile, where there is a terminal that can show one; it leaves nothing behind."""
        if not (isinstance(self._console, MessageConsole) and self._console.shows_live_views):
            with suppress(OSError):
                self._console.print(f"starting  {self._state.counts}", soft_wrap=True)
            with own_warnings_shown(self._console):
                yield
            return
        self._lines = EventLines(self._state, only_ends=True)
        with self._live(), own_warnings_shown(self._console):
            yield

    @contextmanager
    def _live(self) -> Iterator[None]:
        """A terminal that goes away is no reason to stop a sweep."""
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
        """Show an event that the state has taken in. Nobody being there to look is no reason to stop a sweep."""
        self._started = True
        line = self._lines.line(event)
        if line is not None:
            with suppress(OSError):
                self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _tree(self) -> ProgressTree:
        if self._console.width < self._width:
            # The terminal may have broken the lines that are to be replaced, into nobody knows how many.
            self._console.clear()
        self._width = self._console.width
        return ProgressTree(self._state.standing, prefix="" if self._started else "starting Ray; ")
