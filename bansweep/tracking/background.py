"""A daemon thread that takes events in batches and does one last job: the caller never waits longer than it says."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from bansweep.plan.events import SweepEvent

_MOST_WAITING = 10_000  # the oldest are dropped beyond it; they are filled in from the store


class Background:
    """Calls `send` with what has been `put`, in its own thread, then pauses for as many seconds as `send` returns.

    `send` must not raise. Several events that arrive during a pause or a call are one batch.
    """

    def __init__(self, send: Callable[[Sequence[SweepEvent]], float]) -> None:
        self._send = send
        self._waiting: deque[SweepEvent] = deque(maxlen=_MOST_WAITING)
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._abandoned = threading.Event()
        self._last: Callable[[threading.Event], None] | None = None
        self._thread = threading.Thread(target=self._run, name="bansweep-tracking", daemon=True)
        self._thread.start()

    def put(self, event: SweepEvent) -> None:
        """Leave an event to the thread."""
        with self._changed:
            self._waiting.append(event)
            self._changed.notify()

    def close(self, last: Callable[[threading.Event], None], timeout_s: float) -> bool:
        """Let the thread send what waits, do `last` and end; whether it managed that within `timeout_s`.

        `last` is given an event that is set once nobody waits for it any more.
        """
        with self._changed:
            self._last = last
            self._closing.set()
            self._changed.notify()
        self._thread.join(max(timeout_s, 0.0))
        self._abandoned.set()
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
                events = tuple(self._waiting)
                self._waiting.clear()
            if events:
                self._closing.wait(self._send(events))
            elif self._last is not None:
                self._last(self._abandoned)
                return
