"""Pruning against Ray's own scheduler in exact arithmetic, and that it does not depend on who is trained when."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import TrialScheduler
from ray.tune.schedulers.async_hyperband import _Bracket

from bansweep.config.search import AnyPruner, Asha, Median
from bansweep.scheduling.pruning import Course, verdicts

EPOCHS = 9
VALUES = st.floats(0, 100) | st.just(math.nan) | st.just(math.inf)
COURSES = st.lists(st.lists(st.floats(0, 100), min_size=EPOCHS, max_size=EPOCHS), min_size=1, max_size=8)
PRUNERS = [Asha(), Asha(grace=2, reduction=2), Asha(grace=1, reduction=4), Median(), Median(grace=3, startup=1)]


def ended(*values: float) -> Course:
    return Course(values, ended=True)


class ExactBracket(_Bracket):  # type: ignore[misc]
    """Ray's bracket, whose cutoff is computed in fractions: NumPy's rounding decides nothing."""

    def cutoff(self, recorded: dict[str, Fraction]) -> Fraction | None:  # type: ignore[override]
        if not recorded:
            return None
        # The rank from the other end than in the code under test: Ray's rewards are better when larger.
        rewards = sorted(recorded.values())
        rank = (1 - Fraction(1, self.rf)) * (len(rewards) - 1)
        low, part = math.floor(rank), rank - math.floor(rank)
        exact = rewards[low] + (part * (rewards[low + 1] - rewards[low]) if part else 0)
        assert float(exact) == pytest.approx(super().cutoff({key: float(one) for key, one in recorded.items()}))
        return exact


@given(
    counts=st.lists(st.lists(st.integers(0, 30), min_size=EPOCHS, max_size=EPOCHS), min_size=1, max_size=14),
    images=st.integers(30, 10_000),
    grace=st.integers(1, 4),
    reduction=st.integers(2, 4),
)
@settings(deadline=None)
@example(counts=[[one] * EPOCHS for one in (6, 4, 1, 1, 5, 5, 3)], images=100, grace=1, reduction=3)
@example(counts=[[one] * EPOCHS for one in (6, 4, 1, 1, 5, 5, 3)], images=300, grace=1, reduction=3)
def test_asha_gives_up_whom_rays_scheduler_gives_up(
    counts: list[list[int]], images: int, grace: int, reduction: int
) -> None:
    bracket = ExactBracket(grace, EPOCHS, reduction, 0)
    expected = []
    for number, wrong in enumerate(counts):
        # Each is trained to its end before the next one begins.
        pruned_after = None
        for epoch, count in enumerate(wrong, start=1):
            trial = SimpleNamespace(trial_id=str(number))
            reward = -Fraction(100 * count, images)
            if epoch < EPOCHS and bracket.on_result(trial, epoch, reward) == TrialScheduler.STOP:  # type: ignore[arg-type]
                pruned_after = epoch
                break
        expected.append(pruned_after)
    errors = [ended(*(100 * count / images for count in wrong)) for wrong in counts]
    made = verdicts(errors, Asha(grace=grace, reduction=reduction), EPOCHS)
    assert [verdict.pruned_after for verdict in made] == expected


@given(
    counts=st.lists(st.lists(st.integers(0, 30), min_size=EPOCHS, max_size=EPOCHS), min_size=1, max_size=8),
    images=st.integers(30, 10_000),
    startup=st.integers(1, 3),
)
@settings(deadline=None)
@example(counts=[[1, 1, 1], [1, 1, 2], [1, 1, 2]], images=3, startup=1)
def test_the_median_rule_in_exact_arithmetic(counts: list[list[int]], images: int, startup: int) -> None:
    epochs = len(counts[0])
    expected: list[int | None] = []
    for number, wrong in enumerate(counts):
        given_up = None
        for epoch in range(1, epochs):
            others = [
                statistics.mean([Fraction(100 * one, images) for one in counts[other][:epoch]])
                for other in range(number)
                if (after := expected[other]) is None or after >= epoch
            ]
            best = Fraction(100 * min(wrong[:epoch]), images)
            if len(others) >= startup and best > statistics.median(others):
                given_up = epoch
                break
        expected.append(given_up)
    made = verdicts(
        [ended(*(100 * one / images for one in wrong)) for wrong in counts], Median(startup=startup), epochs
    )
    assert [verdict.pruned_after for verdict in made] == expected


@pytest.mark.parametrize("scale", [1, 1 / 3, 0.1])
@pytest.mark.parametrize(("value", "pruned_after"), [(3, None), (3.01, 1), (2.99, None), (math.nan, 1)])
def test_a_candidate_exactly_on_the_cut_goes_on(value: float, pruned_after: int | None, scale: float) -> None:
    # The cut at 1 / 3 of the six lies two thirds of the way from 1 to 4.
    courses = [ended(one * scale, 0) for one in (6, 4, 1, 1, 5, 5, value)]
    assert verdicts(courses, Asha(), 2)[-1].pruned_after == pruned_after


@pytest.mark.parametrize(("others", "value", "pruned_after"), [
    ((1, 2, math.inf, math.inf), 3, 1),  # the cut is the second best
    ((1, math.inf), 2, None),  # the cut lies between 1 and no number
    ((math.nan,), math.inf, None),
    ((1, 2, math.inf, math.inf), math.inf, 1),  # behind a cut that is a number
    ((math.inf, math.inf), math.inf, None),  # exactly on a cut that is none
    ((math.inf, math.inf), 3, None),
])  # fmt: skip
def test_the_cut_beside_what_is_no_number(others: tuple[float, ...], value: float, pruned_after: int | None) -> None:
    courses = [*(ended(one, 0) for one in others), ended(value, 0)]
    assert verdicts(courses, Asha(), 2)[-1].pruned_after == pruned_after


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
