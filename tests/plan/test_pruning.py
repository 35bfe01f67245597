"""Pruning against Ray's own scheduler, and that it does not depend on who is trained when."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import TrialScheduler
from ray.tune.schedulers.async_hyperband import _Bracket

from bansweep.plan.pruning import Course, verdicts
from bansweep.spec.search import AnyPruner, Asha, Median

EPOCHS = 9
VALUES = st.floats(0, 100) | st.just(math.nan) | st.just(math.inf)
COURSES = st.lists(st.lists(st.floats(0, 100), min_size=EPOCHS, max_size=EPOCHS), min_size=1, max_size=8)
PRUNERS = [Asha(), Asha(grace=2, reduction=2), Asha(grace=1, reduction=4), Median(), Median(grace=3, startup=1)]


def ended(*values: float) -> Course:
    return Course(values, ended=True)


@given(courses=COURSES, grace=st.integers(1, 4), reduction=st.integers(2, 4))
@settings(deadline=None)
def test_asha_gives_up_whom_rays_scheduler_gives_up(courses: list[list[float]], grace: int, reduction: int) -> None:
    bracket = _Bracket(grace, EPOCHS, reduction, 0)
    expected = []
    for number, values in enumerate(courses):
        # Each is trained to its end before the next one begins; Ray's rewards are better when larger.
        pruned_after = None
        for epoch, value in enumerate(values, start=1):
            trial = SimpleNamespace(trial_id=str(number))
            if epoch < EPOCHS and bracket.on_result(trial, epoch, -value) == TrialScheduler.STOP:  # type: ignore[arg-type]
                pruned_after = epoch
                break
        expected.append(pruned_after)
    made = verdicts([ended(*values) for values in courses], Asha(grace=grace, reduction=reduction), EPOCHS)
    assert [verdict.pruned_after for verdict in made] == expected


def test_the_median_rule_by_hand() -> None:
    courses = [ended(4, 2, 3), ended(6, 6, 1), ended(5, 4.5, 9)]
    # After epoch 1 the means of the first two are 4 and 6, with median 5: no worse. After epoch 2 they are 3 and 6,
    # with median 4.5: the best of 5 and 4.5 is no worse either.
    assert [one.pruned_after for one in verdicts(courses, Median(startup=2), 3)] == [None, None, None]
    assert [one.pruned_after for one in verdicts([*courses[:2], ended(5, 4.6, 0)], Median(startup=2), 3)] == [
        None,
        None,
        2,
    ]
    assert [one.pruned_after for one in verdicts([*courses[:2], ended(9, 9, 0)], Median(startup=3), 3)] == [
        None,
        None,
        None,
    ], "too few to have a median"


@pytest.mark.parametrize("pruner", PRUNERS, ids=repr)
@given(data=st.data())
@settings(deadline=None)
def test_what_is_decided_early_is_what_is_decided_in_the_end(pruner: AnyPruner, data: st.DataObject) -> None:
    courses = data.draw(COURSES)
    whole = verdicts([ended(*values) for values in courses], pruner, EPOCHS)
    lengths = [data.draw(st.integers(0, EPOCHS)) for _ in courses]
    parts = [
        Course(tuple(values[:length]), ended=length == EPOCHS) for values, length in zip(courses, lengths, strict=True)
    ]
    for early, late in zip(verdicts(parts, pruner, EPOCHS), whole, strict=True):
        if early.final:
            assert early.pruned_after == late.pruned_after
        elif early.waits_at is None:
            assert early.pruned_after is None


@pytest.mark.parametrize("pruner", PRUNERS, ids=repr)
@given(courses=st.lists(st.lists(VALUES, min_size=EPOCHS, max_size=EPOCHS), min_size=1, max_size=6))
@settings(deadline=None)
def test_someone_always_comes_to_the_end(pruner: AnyPruner, courses: list[list[float]]) -> None:
    made = verdicts([ended(*values) for values in courses], pruner, EPOCHS)
    assert made[0].pruned_after is None, "whoever comes first has nobody to be compared with"
    assert all(verdict.final for verdict in made)


def test_a_decision_waits_for_those_before_and_for_nobody_else() -> None:
    running = Course((), ended=False)
    fast = Course((9.0, 9.0, 9.0), ended=False)
    waiting = verdicts([running, fast], Asha(), EPOCHS)[1]
    assert (waiting.pruned_after, waiting.waits_at, waiting.final) == (None, 1, False)
    assert verdicts([Course((1.0,), ended=False), fast], Asha(), EPOCHS)[1].pruned_after == 1
    assert verdicts([fast, running], Asha(), EPOCHS)[0].waits_at is None
    # One that failed before it came so far is not waited for, and compared with nobody.
    assert verdicts([Course((), ended=True), fast], Asha(), EPOCHS)[1].waits_at is None


def test_no_number_is_worse_than_any() -> None:
    assert [one.pruned_after for one in verdicts([ended(5, 5), ended(math.nan, 1)], Asha(), 2)] == [None, 1]
