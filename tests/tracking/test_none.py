"""The tracker for those who want none."""

from __future__ import annotations

from typing import Any

import pytest

from bansweep.tracking.none import NoTracker


def test_nothing_is_sent_and_nothing_is_missed(sweep: Any) -> None:
    tracker = NoTracker()
    tracker.start(sweep.plan, "")
    for event in sweep.events:
        tracker.handle(event)

    summary = tracker.finish(lambda: pytest.fail("the store was read"), {}, "FINISHED", 1.0)

    assert (summary.uri, summary.sent, summary.unsent, summary.error) == ("", 0, (), "")
