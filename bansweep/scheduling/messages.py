"""The protocol between a training and the driver: what trials and workers report, and how Ray carries it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, get_args

from pydantic import TypeAdapter

from bansweep.graph.events import CompileFailure
from bansweep.graph.results import EpochReport

LOST = (
    "its process died again and again; the operating system may have run out of memory\n"
    "  the same command tries again from the last saved epoch; resources.concurrency: 1 leaves each one more memory"
)
"""The reason of a failure that no process could report."""


class Outcome(StrEnum):
    """How a training ended."""

    FINISHED = "finished"
    """It is in the store."""
    REUSED = "reused"
    """Another process finished it, or decided the search that it is a candidate of."""
    STOPPED = "stopped"
    """It was asked to stop before its last epoch; its progress is saved."""
    CLAIMED = "claimed"
    """It did not begin: another process holds its lease."""
    DIVERGED = "diverged"
    """Its loss became NaN or infinite, as it would in every attempt."""
    FAILED = "failed"
    """It failed for another reason."""


@dataclasses.dataclass(frozen=True)
class Started:
    """A training begins, or resumes after `epochs_done` saved epochs, and may have to wait for its devices."""

    epochs_done: int


@dataclasses.dataclass(frozen=True)
class Placed:
    """It has its devices. `placement_group` is the id of the one to remove if they are lost; empty: Tune removes it."""

    placement_group: str


@dataclasses.dataclass(frozen=True)
class Displaced:
    """It has lost its devices, with its processes, and waits for others."""


@dataclasses.dataclass(frozen=True)
class Uncompiled:
    """It trains uncompiled though it was to be compiled, after `compiled_epochs` that ran compiled.

    `failure` is None where the sweep's resources exclude compiling.
    """

    failure: CompileFailure | None
    compiled_epochs: int


@dataclasses.dataclass(frozen=True)
class EpochDone:
    """It has finished an epoch, and saved it."""

    report: EpochReport


@dataclasses.dataclass(frozen=True)
class Ended:
    """It no longer runs. `reason` says why it failed or diverged."""

    outcome: Outcome
    reason: str = ""


Message = Started | Placed | Displaced | Uncompiled | EpochDone | Ended

_FIELD = "messages"
_TYPES: dict[str, TypeAdapter[Message]] = {kind.__name__: TypeAdapter(kind) for kind in get_args(Message)}


def as_result(*messages: Message) -> dict[str, str]:
    """The result that carries messages from a worker or trial through Ray."""
    # One text: Tune flattens nested results before its search algorithm sees them.
    return {_FIELD: json.dumps([[type(one).__name__, dataclasses.asdict(one)] for one in messages])}


def messages_in(result: Mapping[str, Any]) -> list[Message]:
    """The messages that a result carries, in their order; none in a result of Ray's own."""
    return [_TYPES[name].validate_python(fields) for name, fields in json.loads(result.get(_FIELD, "[]"))]
