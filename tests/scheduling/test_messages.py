"""Every message arrives as it was sent, in a result that Tune does not flatten."""

from __future__ import annotations

import math
from typing import get_args

import pytest

from bansweep.graph.events import CompileFailure
from bansweep.graph.results import EpochReport
from bansweep.scheduling.messages import (
    Displaced,
    Ended,
    EpochDone,
    Message,
    Outcome,
    Placed,
    Started,
    Uncompiled,
    as_result,
    messages_in,
)

REPORT = EpochReport(1, 4, 0.1 + 0.2, 1e9 / 3, {"train_loss": math.inf, "test_error": 1 / 3}, {"memory_gb": 5e-324})
MESSAGES = [
    Started(3),
    Placed("0af1"),
    Placed(""),
    Displaced(),
    Uncompiled(CompileFailure("gpu-box", "no C compiler", "Install gcc", of_network=True), 2),
    Uncompiled(None, 0),
    EpochDone(REPORT),
    *(Ended(outcome, 'said "no"\n  twice: é') for outcome in Outcome),
]


def test_all_types_are_tried() -> None:
    assert {type(message) for message in MESSAGES} == set(get_args(Message))


@pytest.mark.parametrize("message", MESSAGES, ids=repr)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    result = as_result(message)
    assert all(isinstance(value, str) for value in result.values()), "Tune flattens anything nested"
    (arrived,) = messages_in({"config/job": "x", "done": False, **result})
    assert arrived == message
    assert type(arrived) is type(message)
    if isinstance(arrived, Ended):
        assert isinstance(arrived.outcome, Outcome)


def test_several_messages_keep_their_order() -> None:
    assert messages_in(as_result(*MESSAGES)) == MESSAGES


def test_a_loss_that_is_no_number_arrives() -> None:
    (arrived,) = messages_in(as_result(EpochDone(EpochReport(1, 1, 1.0, 0.0, {"train_loss": math.nan}))))
    assert isinstance(arrived, EpochDone)
    assert math.isnan(arrived.report.metrics["train_loss"])


def test_results_of_rays_own_carry_no_message() -> None:
    assert messages_in({"done": True, "trial_id": "x"}) == []
