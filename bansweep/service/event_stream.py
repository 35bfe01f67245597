"""Events for programs: a line of JSON each, in a file or on stdout. docs/progress.md has the schema."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, assert_never

from bansweep.errors import RequestError
from bansweep.graph.candidates import Candidate
from bansweep.graph.events import (
    CandidateEnded,
    CandidateEpochFinished,
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
from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport

STDOUT = "-"
ENDED_AS = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "unfinished"}
"""The tracker's status of a sweep -> the status for programs."""


class EventStream:
    """Writes events as they arrive. A closed pipe or a full disk does not stop a sweep."""

    def __init__(self, plan: Plan, file: IO[str] | None, *, clock: Callable[[], float] = time.time) -> None:
        self._plan = plan
        self._file = file
        self._clock = clock

    def handle(self, event: SweepEvent) -> None:
        self._write(event_document(event, self._plan))

    def start(self, finished: int) -> None:
        """The first line: the number of generations, and how many were `finished` before."""
        self._write({"event": "sweep_started", "generations": len(self._plan.generations), "finished": finished})

    def end(self, status: str, counts: Mapping[str, int], report: dict[str, Any] | None = None) -> None:
        """The last line: the sweep's status, its generations by outcome, and the report if given."""
        document = {"event": "sweep_ended", "status": status, "counts": dict(counts)}
        self._write(document if report is None else {**document, "report": report})

    def _write(self, document: dict[str, Any]) -> None:
        if self._file is None:
            return
        line = {"event": document["event"], "time": self._clock(), "sweep": self._plan.sweep, **document}
        try:
            self._file.write(json.dumps(line, allow_nan=False) + "\n")
            self._file.flush()
        except (OSError, ValueError):
            self._file = None


@contextmanager
def event_stream(plan: Plan, target: str | None) -> Iterator[EventStream]:
    """Appends to the file `target`, or writes to stdout if that is "-"; None writes nothing.

    Stdout is the current one, even if library output is redirected later. Raises RequestError where the file
    cannot be written.
    """
    if target is None:
        yield EventStream(plan, None)
        return
    try:
        opened = _stdout() if target == STDOUT else Path(target).open("a", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise RequestError(
            f"--events: cannot write {target}: {error.strerror}", remedy="name another file, or - for stdout"
        ) from error
    with opened as file:
        yield EventStream(plan, file)


def _stdout() -> AbstractContextManager[IO[str]]:
    sys.stdout.flush()
    try:
        return os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    except (OSError, ValueError):  # stdout is not a file, but captured
        return nullcontext(sys.stdout)


def event_document(event: SweepEvent, plan: Plan) -> dict[str, Any]:
    """The fields of an event's line, without its time and its sweep. The names are stable."""
    generation = {"id": event.generation_id, "label": plan.label(event.generation_id)}
    match event:
        case GenerationStarted(generation_id, epochs_done):
            search = plan.generations[generation_id].search
            what = {"epochs_done": epochs_done} if search is None else {"candidates": search.size}
            return {"event": "generation_started", **generation, **what}
        case EpochFinished(_, report):
            return {"event": "epoch_finished", **generation, **_epoch(report)}
        case GenerationFinished(_, reused, choice):
            chosen = None
            if choice is not None:
                chosen = {**_candidate(choice.candidate), "value": choice.value, "outcomes": dict(choice.outcomes)}
            return {"event": "generation_finished", **generation, "reused": reused, "choice": chosen}
        case GenerationFailed(_, reason):
            return {"event": "generation_failed", **generation, "reason": reason}
        case GenerationBlocked(_, cause):
            return {"event": "generation_blocked", **generation, "cause": cause}
        case GenerationStopped():
            return {"event": "generation_stopped", **generation}
        case GenerationNotNeeded(_, cause):
            return {"event": "generation_not_needed", **generation, "cause": cause}
        case GenerationElsewhere(_, by):
            return {"event": "generation_elsewhere", **generation, "by": by}
        case GenerationUncompiled(_, failure, compiled_epochs):
            return {
                "event": "generation_uncompiled",
                **generation,
                "compiled_epochs": compiled_epochs,
                "failure": None if failure is None else dataclasses.asdict(failure),
            }
        case CandidateStarted(_, candidate, epochs_done):
            return {"event": "candidate_started", **generation, **_candidate(candidate), "epochs_done": epochs_done}
        case CandidateEpochFinished(_, candidate, report):
            return {"event": "candidate_epoch_finished", **generation, **_candidate(candidate), **_epoch(report)}
        case CandidateEnded(_, candidate, outcome, reason):
            ended = {"outcome": outcome, "reason": reason}
            return {"event": "candidate_ended", **generation, **_candidate(candidate), **ended}
        case _:
            assert_never(event)


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {"candidate": candidate.number + 1, "setting": dict(candidate.setting)}


def _epoch(report: EpochReport) -> dict[str, Any]:
    # Standard JSON has neither NaN nor infinity.
    metrics = {name: value if math.isfinite(value) else None for name, value in report.metrics.items()}
    return {"epoch": report.epoch, "epochs": report.epochs, "seconds": report.seconds, "metrics": metrics}
