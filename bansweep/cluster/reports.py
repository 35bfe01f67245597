"""Epoch reports as the flat messages that Ray carries from workers and trials to the driver."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from bansweep.plan.events import EpochReport

LOST = (
    "its process died again and again; the operating system may have run out of memory\n"
    "  the same command tries again from the last saved epoch; resources.concurrency: 1 leaves each one more memory"
)
"""The reason of a failure that no process was left to tell."""


def epoch_message(report: EpochReport) -> dict[str, str]:
    # As text: Tune flattens nested results before its search algorithm sees them.
    return {"epoch_report": json.dumps(dataclasses.asdict(report))}


def epoch_report(message: dict[str, Any]) -> EpochReport | None:
    """The report that a message carries, if it carries one."""
    text = message.get("epoch_report")
    return None if text is None else EpochReport(**json.loads(text))
