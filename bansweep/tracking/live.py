"""Telling MLflow what happens while it happens.

MLflow can remove whole runs, but no point. An epoch that is trained again begins its run anew (`runs.py`); epochs that
a candidate trained before it heard that it was given up stay.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import assert_never

from bansweep.plan.events import (
    CandidateEnded,
    CandidateEpochFinished,
    CandidateEvent,
    CandidateStarted,
    EpochFinished,
    GenerationBlocked,
    GenerationElsewhere,
    GenerationFailed,
    GenerationFinished,
    GenerationNotNeeded,
    GenerationStarted,
    GenerationStopped,
    GenerationUncompiled,
    SweepEvent,
)
from bansweep.plan.plan import Plan
from bansweep.tracking import payload
from bansweep.tracking.payload import RunDescription
from bansweep.tracking.runs import SweepRuns

WithoutRun = GenerationBlocked | GenerationNotNeeded | GenerationElsewhere | GenerationUncompiled
"""Events that change no run: the parent run's note, another process or the display reports them."""


def send_live(runs: SweepRuns, plan: Plan, events: Sequence[SweepEvent]) -> None:
    """Send a batch of events, in one request per generation or candidate where they are epochs.

    Of several changes of one's state only the last is sent. May raise whatever MLflow's client raises.
    """
    subjects: dict[tuple[str, str], list[SweepEvent]] = defaultdict(list)
    for event in events:
        if event.generation_id in plan.generations and not isinstance(event, WithoutRun):
            candidate_id = event.candidate.id if isinstance(event, CandidateEvent) else ""
            subjects[event.generation_id, candidate_id].append(event)
    now = time.time()
    for told in subjects.values():
        description = payload.describe_subject(plan, told[0])
        epochs = [event for event in told if isinstance(event, EpochFinished | CandidateEpochFinished)]
        if epochs:
            points = [point for event in epochs for point in payload.epoch_points(event.report)]
            runs.add_points(description, points, started_at=now)
        for event in reversed(told):
            if not isinstance(event, EpochFinished | CandidateEpochFinished):
                _send_change(runs, description, event, now)
                break


def _send_change(runs: SweepRuns, description: RunDescription, event: SweepEvent, now: float) -> None:
    match event:
        case GenerationStarted() | CandidateStarted():
            runs.begin(description, started_at=now)
        case GenerationFailed(reason=reason):
            runs.end(description, "FAILED", now, payload.failure_tags(reason))
        case GenerationStopped():
            runs.end(description, "KILLED", now, {})
        case GenerationFinished(reused=False):
            runs.end(description, "FINISHED", now, {})
        case CandidateEnded(outcome=outcome, reason=reason):
            runs.end(description, payload.CANDIDATE_STATUS[outcome], now, payload.outcome_tags(outcome, reason))
        case GenerationFinished() | GenerationBlocked() | GenerationNotNeeded() | GenerationElsewhere():
            pass  # Reused ones are filled in from the store.
        case GenerationUncompiled():
            pass
        case EpochFinished() | CandidateEpochFinished():
            pass  # They change no state.
        case _:
            assert_never(event)
