"""The console that messages go to: it outlives its reader, and knows its own terminal."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console, ConsoleDimensions


class MessageConsole(Console):
    """Where messages go. When its reader goes away it falls silent; rich would end the process."""

    def on_broken_pipe(self) -> None:
        self.quiet = True

    @property
    def shows_live_views(self) -> bool:
        """Whether what it has shown can be shown anew in place."""
        return self.is_terminal and not self.is_dumb_terminal and not self.is_jupyter and not self.quiet

    @property
    def size(self) -> ConsoleDimensions:
        """Of the terminal that it writes to; rich asks the standard streams, which may lead elsewhere meanwhile."""
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
def own_warnings_shown(console: Console) -> Iterator[None]:
    """Print what our own loggers warn of, which would be lost among what libraries say. Side effect: our logger's
    handlers, meanwhile."""
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
    """A line for each record, above whatever is shown live."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            self._console.print(f"{record.levelname.lower():<9} {record.getMessage()}", soft_wrap=True, markup=False)
