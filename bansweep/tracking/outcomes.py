"""What became of the generations that this run of a sweep has heard of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from bansweep.plan.events import (
    EpochFinished,
    GenerationBlocked,
    GenerationFailed,
    GenerationFinished,
    GenerationStarted,
    SweepEvent,
)


@dataclass
class Outcomes:
    """`running` holds ids, `failed` maps ids to reasons, `blocked` ids to the ids of failed ancestors."""

    running: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)

    def note(self, event: SweepEvent) -> None:
        """Take `event` into account; a generation that is tried again loses its earlier outcome."""
        generation_id = event.generation_id
        self.running.discard(generation_id)
        self.failed.pop(generation_id, None)
        self.blocked.pop(generation_id, None)
        match event:
            case GenerationStarted() | EpochFinished():
                self.running.add(generation_id)
            case GenerationFinished():
                pass
            case GenerationFailed(reason=reason):
                self.failed[generation_id] = reason
            case GenerationBlocked(cause=cause):
                self.blocked[generation_id] = cause
            case _:
                assert_never(event)
