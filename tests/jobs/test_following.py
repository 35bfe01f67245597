"""Following a job's log through connections that break, or fall silent and say nothing of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_dashboard import Dashboard, Tail, job_dashboard
from patience import PROCESS_S

from bansweep.errors import ClusterError, NoSuchJobError
from bansweep.jobs import submission as module
from bansweep.jobs.submission import Jobs, OnceWritten

LOG = "1 of 3 generations done\n2 of 3: ü € 🎓\nthe end\n"
JOB = "/api/jobs/one"
TAIL = f"GET {JOB}/logs/tail"


@pytest.fixture
def dashboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dashboard]:
    monkeypatch.setattr(module, "_PAUSE_S", 0.02)
    # Longer than an answer takes on a busy machine: silence there is no silence of the server.
    monkeypatch.setattr(module, "_SILENCE_S", 1.0)
    with job_dashboard() as dashboard:
        dashboard.add("one", log=LOG)
        yield dashboard


@pytest.fixture
def written() -> list[str]:
    return []


def follow(dashboard: Dashboard, written: list[str]) -> str:
    return Jobs(dashboard.address).follow("one", written.append).state


def test_a_log_is_followed_to_its_end(dashboard: Dashboard, written: list[str]) -> None:
    dashboard.end("one")
    assert follow(dashboard, written) == "SUCCEEDED"
    assert written == LOG.splitlines(keepends=True)


def test_a_connection_that_ends_too_early_ends_no_log(dashboard: Dashboard, written: list[str]) -> None:
    dashboard.end("one")
    dashboard.tails = [Tail(30, "closed")]
    assert follow(dashboard, written) == "SUCCEEDED"
    assert "".join(written) == LOG


def test_the_end_is_told_where_the_log_is_gone(dashboard: Dashboard, written: list[str]) -> None:
    dashboard.end("one", "FAILED")
    dashboard.faults = {f"GET {JOB}/logs": [500]}
    assert follow(dashboard, written) == "FAILED"
    assert "".join(written) == LOG


def test_the_end_is_noticed_on_a_connection_that_is_dead(dashboard: Dashboard, written: list[str]) -> None:
    dashboard.end("one", "STOPPED")
    dashboard.tails = [Tail(30, "silent")]
    assert follow(dashboard, written) == "STOPPED"
    assert "".join(written) == LOG


def test_what_a_dead_connection_does_not_bring_is_read_anew(dashboard: Dashboard, written: list[str]) -> None:
    dashboard.tails = [Tail(30, "silent"), Tail(40, "ends")]
    assert follow(dashboard, written) == "SUCCEEDED"
    assert "".join(written) == LOG
    assert dashboard.asked.count(TAIL) == 2


def test_a_handshake_that_nobody_answers_is_given_up(dashboard: Dashboard, written: list[str]) -> None:
    dashboard.faults = {TAIL: ["silent"]}
    threading.Timer(0.5, dashboard.end, ["one"]).start()
    assert follow(dashboard, written) == "SUCCEEDED"
    assert "".join(written) == LOG


def test_a_job_that_has_nothing_to_say_keeps_its_connection(dashboard: Dashboard, written: list[str]) -> None:
    dashboard.logs["one"] = LOG[:24]
    dashboard.tails = [Tail(24, "ends", reads=3, last=LOG[24:])]
    assert follow(dashboard, written) == "SUCCEEDED"
    assert "".join(written) == LOG
    assert dashboard.asked.count(f"GET {JOB}/logs") >= 3
    assert dashboard.asked.count(TAIL) == 1


def test_a_lost_connection_goes_on_where_it_was(dashboard: Dashboard, written: list[str]) -> None:
    dashboard.end("one")
    dashboard.tails = [Tail(30, "lost"), Tail(0, "lost"), Tail(10, "lost"), Tail(len(LOG) - 1, "lost"), Tail()]
    assert follow(dashboard, written) == "SUCCEEDED"
    assert "".join(written) == LOG
    assert dashboard.asked.count(TAIL) == 5


def test_the_log_is_read_while_the_connection_breaks_again_and_again(
    dashboard: Dashboard, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 2.0)
    monkeypatch.setattr(module, "_SILENCE_S", PROCESS_S)
    dashboard.end("one")
    dashboard.tails = [*(Tail(30 + number, "lost", delay_s=0.5) for number in range(6)), Tail()]
    assert follow(dashboard, written) == "SUCCEEDED"
    assert "".join(written) == LOG


def test_a_server_that_stays_away_is_given_up(
    dashboard: Dashboard, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.3)
    dashboard.faults = {TAIL: [503] * 1000}
    began = time.monotonic()
    with pytest.raises(ClusterError, match="lost the connection") as lost:
        follow(dashboard, written)
    assert time.monotonic() - began >= 0.3
    assert dashboard.asked.count(TAIL) > 2
    assert "answers 503" in lost.value.cause
    assert "bansweep logs one --follow" in lost.value.remedy


def test_a_head_that_does_not_know_the_job_is_not_asked_again(dashboard: Dashboard, written: list[str]) -> None:
    del dashboard.jobs["one"]
    with pytest.raises(NoSuchJobError):
        follow(dashboard, written)
    assert dashboard.asked.count(TAIL) == 1


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), ValueError("closed"), KeyboardInterrupt()])
def test_what_writing_raises_is_the_writers_own(dashboard: Dashboard, error: BaseException) -> None:
    def write(_: str) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        Jobs(dashboard.address).follow("one", write)
    assert raised.value is error
    assert dashboard.asked.count(TAIL) == 1


@given(text=st.text(max_size=30), data=st.data())
def test_each_part_is_written_once(text: str, data: st.DataObject) -> None:
    parts: list[str] = []
    log, reached = OnceWritten(parts.append), 0
    for _ in range(data.draw(st.integers(0, 6))):
        begin = data.draw(st.integers(0, reached))
        end = data.draw(st.integers(begin, len(text)))
        log.add(begin, text[begin:end])
        reached = max(reached, end)
        assert "".join(parts) == text[:reached]
    assert "" not in parts


def test_what_could_not_be_written_is_not_taken_for_written() -> None:
    written: list[str] = []

    def write(text: str) -> None:
        if not written:
            written.append("")
            raise OSError("full")
        written.append(text)

    log = OnceWritten(write)
    with pytest.raises(OSError, match="full"):
        log.add(0, "abc")
    log.add(0, "abcd")
    assert "".join(written) == "abcd"
