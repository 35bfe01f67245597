"""Reports as the flat messages that Ray carries from workers and trials to the driver."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from bansweep.graph.events import CompileFailure, EpochReport

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


def uncompiled_message(failure: CompileFailure | None, compiled_epochs: int) -> dict[str, str]:
    fields = {"failure": None if failure is None else dataclasses.asdict(failure), "compiled_epochs": compiled_epochs}
    return {"uncompiled": json.dumps(fields)}


def uncompiled_report(message: dict[str, Any]) -> tuple[CompileFailure | None, int] | None:
    """Why a training runs uncompiled, and how many epochs ran compiled before, if a message says so."""
    text = message.get("uncompiled")
    if text is None:
        return None
    fields = json.loads(text)
    failure = None if fields["failure"] is None else CompileFailure(**fields["failure"])
    return failure, fields["compiled_epochs"]
