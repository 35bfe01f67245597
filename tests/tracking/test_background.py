"""The thread: batches, pauses that the end cuts short, and an end that is not waited for too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from patience import PROCESS_S

from bansweep.graph.events import GenerationStarted, SweepEvent
from bansweep.tracking.mlflow_tracker import Background


def started(number: int) -> GenerationStarted:
    return GenerationStarted(f"{number}")


def test_everything_is_sent_in_order_before_the_last_job() -> None:
    sent: list[SweepEvent] = []

    def send(events: Sequence[SweepEvent]) -> float:
        sent.extend(events)
        return 0.0

    background = Background(send)
    for number in range(500):
        background.put(started(number))
    assert background.close(lambda _: sent.append(started(-1)), timeout_s=PROCESS_S)

    assert sent == [*(started(number) for number in range(500)), started(-1)]


def test_what_arrives_while_sending_is_one_batch() -> None:
    batches: list[int] = []
    sending, release = threading.Event(), threading.Event()

    def send(events: Sequence[SweepEvent]) -> float:
        batches.append(len(events))
        sending.set()
        release.wait(PROCESS_S)
        return 0.0

    background = Background(send)
    background.put(started(0))
    assert sending.wait(PROCESS_S)
    for number in range(1, 100):
        background.put(started(number))
    release.set()
    assert background.close(lambda _: None, timeout_s=PROCESS_S)

    assert batches == [1, 99]


def test_the_end_cuts_a_pause_short() -> None:
    background = Background(lambda _: 3600.0)
    background.put(started(0))
    begun = time.perf_counter()

    assert background.close(lambda _: None, timeout_s=PROCESS_S)

    assert time.perf_counter() - begun < PROCESS_S


def test_a_job_that_takes_too_long_is_abandoned_and_told_so() -> None:
    told = threading.Event()

    def last(abandoned: threading.Event) -> None:
        if abandoned.wait(PROCESS_S):
            told.set()

    assert not Background(lambda _: 0.0).close(last, timeout_s=0.05)
    assert told.wait(PROCESS_S)
