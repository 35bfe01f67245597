"""A tracker for those who want none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from bansweep.plan.events import SweepEvent
from bansweep.plan.plan import Plan
from bansweep.tracking.protocol import FinishedGeneration, SweepStatus, TrackingSummary


class NoTracker:
    """Keeps track of nothing, and misses nothing."""

    def start(self, plan: Plan, sweep_text: str) -> None:
        pass

    def handle(self, event: SweepEvent) -> None:
        pass

    def finish(
        self,
        finished: Callable[[], Iterable[FinishedGeneration]],  # noqa: ARG002
        reports: Mapping[str, str],  # noqa: ARG002
        status: SweepStatus,  # noqa: ARG002
        timeout_s: float,  # noqa: ARG002
    ) -> TrackingSummary:
        return TrackingSummary(uri="", sent=0, unsent=())
