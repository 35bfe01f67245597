"""Events as lines of JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from demo_sweep import ids_of, plan_of

from bansweep.errors import RequestError
from bansweep.graph.events import (
    CompileFailure,
    EpochFinished,
    GenerationBlocked,
    GenerationElsewhere,
    GenerationFailed,
    GenerationFinished,
    GenerationStarted,
    GenerationUncompiled,
)
from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.service.event_stream import EventStream, event_stream

REPORT = EpochReport(2, 4, 1.5, 100.0, {"train_loss": float("inf"), "test_error": 12.5})


@pytest.fixture
def plan(sweep_file: Path) -> Plan:
    return plan_of(sweep_file)


def test_a_line_for_each_event_with_its_time_its_sweep_and_its_fields(plan: Plan) -> None:
    teacher, ban = ids_of(plan)["teacher"], ids_of(plan)["ban"]
    file = io.StringIO()
    stream = EventStream(plan, file, clock=lambda: 7.0)
    stream.start(finished=1)
    for event in (
        GenerationElsewhere(teacher, by="process 7 on gpu-box"),
        GenerationStarted(teacher, epochs_done=1),
        EpochFinished(teacher, REPORT),
        GenerationFinished(teacher),
        GenerationFailed(ban, "no"),
        GenerationBlocked(ids_of(plan)["ban-2"], ban),
    ):
        stream.handle(event)
    stream.end("failed", {"trained": 1}, {"table": []})
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    common = {"time": 7.0, "sweep": "demo"}
    assert all(common.items() <= line.items() for line in lines)
    of_teacher = {**common, "id": teacher, "label": "wrn-10-1 / teacher"}
    assert lines[:5] == [
        {"event": "sweep_started", **common, "generations": 4, "finished": 1},
        {"event": "generation_elsewhere", **of_teacher, "by": "process 7 on gpu-box"},
        {"event": "generation_started", **of_teacher, "epochs_done": 1},
        {
            "event": "epoch_finished",
            **of_teacher,
            "epoch": 2,
            "epochs": 4,
            "seconds": 1.5,
            "metrics": {"train_loss": None, "test_error": 12.5},
        },
        {"event": "generation_finished", **of_teacher, "reused": False, "choice": None},
    ]
    assert [line["event"] for line in lines[5:]] == ["generation_failed", "generation_blocked", "sweep_ended"]
    assert lines[-1]["report"] == {"table": []}


def test_why_a_generation_is_not_compiled_is_a_line_too(plan: Plan) -> None:
    file = io.StringIO()
    stream = EventStream(plan, file)
    failure = CompileFailure("gpu-box", "no C compiler was found", "Install gcc")
    for event in (
        GenerationUncompiled(ids_of(plan)["ban"], failure),
        GenerationUncompiled(ids_of(plan)["ban"], None, 3),
    ):
        stream.handle(event)
    first, second = (json.loads(line) for line in file.getvalue().splitlines())
    assert (first["event"], first["label"]) == ("generation_uncompiled", "wrn-10-1 / ban")
    assert first["failure"] == {
        "host": "gpu-box",
        "cause": "no C compiler was found",
        "remedy": "Install gcc",
        "of_network": False,
    }
    assert (first["compiled_epochs"], second["compiled_epochs"], second["failure"]) == (0, 3, None)


def test_a_file_is_appended_to(plan: Plan, tmp_path: Path) -> None:
    target = tmp_path / "events.jsonl"
    for _ in range(2):
        with event_stream(plan, str(target)) as stream:
            stream.start(finished=0)
    assert len(target.read_text().splitlines()) == 2


def test_a_file_that_cannot_be_written_is_told_before_anything_starts(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="--events: cannot write"), event_stream(plan, str(tmp_path / "none" / "x")):
        pass


def test_a_reader_that_goes_away_stops_nothing(plan: Plan) -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    stream = EventStream(plan, Gone())
    stream.start(finished=0)
    stream.start(finished=0)


def test_without_a_target_nothing_is_written(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    with event_stream(plan, None) as stream:
        stream.start(finished=0)
    assert capsys.readouterr().out == ""
