"""What a job prints, while it prints it: read through a connection that may fall silent, and written once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self


class LogStream:
    """Reads a log that goes on, part by part, where a reader can wait for only so long.

    A context manager; `parts` is not waited for between two reads, and closed at the end.
    """

    def __init__(self, parts: AsyncIterator[str]) -> None:
        self._parts = parts
        self._runner = asyncio.Runner()
        self._next: asyncio.Task[str | None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._runner.close()

    def read(self, patience_s: float) -> str | None:
        """The next part; "" where none has come within so many seconds, which loses nothing; None at the end."""
        return self._runner.run(self._read(patience_s))

    async def _read(self, patience_s: float) -> str | None:
        if self._next is None:
            self._next = asyncio.ensure_future(self._one())
        done, _ = await asyncio.wait({self._next}, timeout=patience_s)
        if not done:
            return ""
        self._next = None
        return done.pop().result()

    async def _one(self) -> str | None:
        return await anext(self._parts, None)


class OnceWritten:
    """Writes a text that is read several times, from its beginning and each time perhaps further: each part once."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._written = 0

    def add(self, begin: int, text: str) -> None:
        """Takes the part of the text that begins after `begin` characters; no part may be left out before it."""
        end = begin + len(text)
        if end > self._written:
            self._write(text[self._written - begin :])
            self._written = end
