"""Epoch reports as the flat messages that Ray carries from workers and trials to the driver."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from bansweep.plan.events import EpochReport


def epoch_message(report: EpochReport) -> dict[str, str]:
    # As text: Tune flattens nested results before its search algorithm sees them.
    return {"epoch_report": json.dumps(dataclasses.asdict(report))}


def epoch_report(message: dict[str, Any]) -> EpochReport | None:
    """The report that a message carries, if it carries one."""
    text = message.get("epoch_report")
    return None if text is None else EpochReport(**json.loads(text))
