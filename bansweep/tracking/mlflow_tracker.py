"""The MLflow tracker and its background thread. Importing this module does not import mlflow."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bansweep.formatting import duration_text
from bansweep.graph.events import EpochFinished, GenerationStarted, SweepEvent
from bansweep.graph.plan import Plan
from bansweep.tracking import payload
from bansweep.tracking.mlflow_session import Ending, MlflowSession, WithoutRun
from bansweep.tracking.protocol import FinishedEnsemble, FinishedGeneration, Outcomes, SweepStatus, TrackingSummary
from bansweep.tracking.tracking_uri import absolute_uri, tracking_uri, without_credentials

_MOST_WAITING = 10_000  # beyond it the oldest are dropped, and later backfilled from the store


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
        """Queues an event for the thread."""
        with self._changed:
            self._waiting.append(event)
            self._changed.notify()

    def close(self, last: Callable[[threading.Event], None], timeout_s: float) -> bool:
        """Lets the thread send the queued events, call `last` and end; whether it ended within `timeout_s`.

        `last` gets an event that is set after the timeout.
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


class MlflowTracker:
    """Sends one sweep of the store at `store_root` to the MLflow at `uri` (None: the one of `tracking_uri`).

    Side effects: a daemon thread from the first event on, and the cache `<store_root>/sweeps/<sweep>/tracking.json`.
    The caller learns of MLflow's errors only from the summary's `error`. A `thorough` tracker verifies the cache
    against store and MLflow.
    """

    def __init__(self, uri: str | None, *, store_root: Path, sweep: str, thorough: bool = False) -> None:
        self.uri = absolute_uri(uri) if uri else tracking_uri(store_root)
        self._session = MlflowSession(self.uri, store_root, sweep, thorough=thorough)
        self._thorough = thorough
        self._plan: Plan | None = None
        self._sweep_text = ""
        self._outcomes = Outcomes()
        self._background: Background | None = None

    def start(self, plan: Plan, sweep_text: str) -> None:
        self._plan = plan
        self._sweep_text = sweep_text
        self._session.recall(plan)

    def handle(self, event: SweepEvent) -> None:
        if self._plan is None or event.generation_id not in self._plan.generations:
            return
        self._outcomes.note(event)
        if isinstance(event, GenerationStarted | EpochFinished):
            self._session.sent.discard(event.generation_id)  # if it was complete, its files were lost since
        if isinstance(event, WithoutRun):
            return  # sent at the end; these events alone need no connection
        # A process that cannot start a thread continues without live events.
        with contextlib.suppress(RuntimeError):
            self._background = self._background or self._begin(self._plan)
            self._background.put(event)

    def finish(
        self,
        finished: Callable[[], Iterable[FinishedGeneration]],
        reports: Mapping[str, str],
        status: SweepStatus,
        timeout_s: float,
        ensembles: Sequence[FinishedEnsemble] = (),
    ) -> TrackingSummary:
        assert self._plan is not None, "finish() before start()"
        deadline = time.monotonic() + timeout_s
        plan = self._plan
        everything = tuple(one for one in plan.generations if one not in self._outcomes.not_needed)
        if self._nothing_to_send(everything, self._ending(plan, everything, reports, status, time.time(), ensembles)):
            return self._summary(everything, "")
        try:
            items = tuple(item for item in finished() if item.generation_id in plan.generations)
            ids = tuple(item.generation_id for item in items)
            store_error = ""
            self._session.compare(plan, items)
        except Exception as error:
            items, ids = (), tuple(self._session.sent)
            store_error = f"finished generations could not be listed: {error}"
        ended_at = time.time() if self._background else max((item.finished_at for item in items), default=time.time())
        ending = self._ending(plan, ids, reports, status, ended_at, ensembles)
        if self._nothing_to_send(ids, ending):
            return self._summary(ids, store_error)
        background = self._background or self._begin(plan)
        self._background = None
        in_time = background.close(
            lambda abandoned: self._session.backfill(plan, items, ending, abandoned), deadline - time.monotonic()
        )
        too_late = (
            "" if in_time else f"MLflow at {without_credentials(self.uri)}: not done within {duration_text(timeout_s)}"
        )
        has_ended = self._session.has_ended
        summary = self._summary(ids, store_error or self._session.error or ("" if has_ended else too_late))
        return replace(summary, models_error=self._session.models_error or (too_late if has_ended else ""))

    def _nothing_to_send(self, finished_ids: Sequence[str], ending: Ending) -> bool:
        if self._thorough or self._background is not None:
            return False
        return self._session.sent.issuperset(finished_ids) and self._session.knows(ending)

    def _begin(self, plan: Plan) -> Background:
        return Background(lambda events: self._session.send_live(plan, events))

    def _ending(
        self,
        plan: Plan,
        finished_ids: Sequence[str],
        reports: Mapping[str, str],
        status: SweepStatus,
        ended_at: float,
        ensembles: Sequence[FinishedEnsemble],
    ) -> Ending:
        return Ending(
            documents={payload.SWEEP_FILE: self._sweep_text, **reports},
            tags=payload.sweep_tags(plan, frozenset(finished_ids), self._outcomes),
            status=status,
            ended_at=ended_at,
            failed={one: why for one, why in self._outcomes.failed.items() if one not in finished_ids},
            killed=frozenset(self._outcomes.running.difference(finished_ids)),
            candidates=self._outcomes.unfinished_candidates(frozenset(finished_ids)),
            ensembles=tuple(ensembles),
        )

    def _summary(self, finished_ids: Sequence[str], error: str) -> TrackingSummary:
        unsent = tuple(generation_id for generation_id in finished_ids if generation_id not in self._session.sent)
        return TrackingSummary(without_credentials(self.uri), len(finished_ids) - len(unsent), unsent, error)
