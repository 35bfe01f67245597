"""Telling MLflow what happens while it happens.

An epoch that is trained again after a crash leaves two points at its step, the later one counting as the metric's
value: MLflow can remove whole runs, but no point.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence

from bansweep.plan.events import (
    EpochFinished,
    GenerationBlocked,
    GenerationFailed,
    GenerationFinished,
    GenerationStarted,
    SweepEvent,
)
from bansweep.plan.plan import Plan
from bansweep.tracking import payload
from bansweep.tracking.payload import Point
from bansweep.tracking.runs import SweepRuns


def send_live(runs: SweepRuns, plan: Plan, events: Sequence[SweepEvent]) -> None:
    """Send a batch of events, in one request per generation where they are epochs.

    Of several changes of a generation's state only the last is sent. May raise whatever MLflow's client raises.
    """
    points: dict[str, list[Point]] = defaultdict(list)
    changes: dict[str, SweepEvent] = {}
    for event in events:
        if event.generation_id not in plan.generations:
            continue
        if isinstance(event, EpochFinished):
            points[event.generation_id].extend(payload.epoch_points(event.report))
        else:
            changes[event.generation_id] = event
    now = time.time()
    for generation_id in dict.fromkeys((*changes, *points)):
        description = payload.describe(plan, generation_id)
        if generation_id in points:
            runs.add_points(description, points[generation_id], started_at=now)
        match changes.get(generation_id):
            case GenerationStarted():
                runs.begin(description, started_at=now)
            case GenerationFailed(reason=reason):
                runs.end(description, "FAILED", now, payload.failure_tags(reason))
            case GenerationFinished(reused=False):
                runs.end(description, "FINISHED", now, {})
            case GenerationFinished() | GenerationBlocked() | EpochFinished() | None:
                # Reused ones are filled in from the store; blocked ones have no run and stand in the parent's note.
                pass
