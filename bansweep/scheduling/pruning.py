"""Which candidates of a generation are pruned, and after which epoch.

Decisions depend only on the candidates' values in each epoch and on the order of their numbers, not on which of them
happened to be trained first, or side by side. A candidate is compared with those before it, as if each of these had
reached the same epoch earlier. If one of them has not yet, the decision waits while training continues. It may come
after further epochs of the candidate, which are then ignored.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bansweep.config.search import AnyPruner, Asha, Median
from bansweep.graph.results import comparable, exceeds


@dataclass(frozen=True)
class Course:
    """A candidate so far: its value after each epoch by the selection metric (lower is better).

    `ended`: there will be no further epochs, because training is over or failed.
    """

    values: Sequence[float]
    ended: bool


@dataclass(frozen=True)
class Verdict:
    """`pruned_after`: the number of epochs after which a candidate is pruned, or None. `waits_at`: the epoch whose
    comparison is still open, if there is one. `final`: the verdict will not change, and nothing is left to train.
    """

    pruned_after: int | None
    waits_at: int | None
    final: bool


def verdicts(
    courses: Sequence[Course], pruner: AnyPruner | None, epochs: int, known: Sequence[Verdict] = ()
) -> list[Verdict]:
    """A verdict for each candidate of a generation of `epochs` epochs, in the order of their numbers.

    The courses are those of the first candidates, one without values where training has not begun. `known` are earlier
    verdicts on the first of them: final ones stay.
    """
    made: list[Verdict] = []
    for number, course in enumerate(courses):
        if number < len(known) and known[number].final:
            made.append(known[number])
        else:
            made.append(_verdict(course, list(zip(courses[:number], made, strict=True)), pruner, epochs))
    return made


def _verdict(
    course: Course, before: Sequence[tuple[Course, Verdict]], pruner: AnyPruner | None, epochs: int
) -> Verdict:
    for rung in _rungs(pruner, epochs):
        if len(course.values) < rung:
            break
        others: list[Sequence[float]] = []
        for other, verdict in before:
            reaches = _reaches(rung, other, verdict)
            if reaches is None:
                return Verdict(None, waits_at=rung, final=False)
            if reaches:
                others.append(other.values[:rung])
        if pruner is not None and _prunes(course.values[:rung], others, pruner):
            return Verdict(rung, waits_at=None, final=True)
    return Verdict(None, waits_at=None, final=course.ended)


def _reaches(rung: int, course: Course, verdict: Verdict) -> bool | None:
    """Whether a candidate reaches the end of an epoch without being pruned before; None while that is open."""
    if verdict.pruned_after is not None and verdict.pruned_after < rung:
        return False
    if verdict.waits_at is not None and verdict.waits_at < rung:
        return None
    if len(course.values) >= rung:
        return True
    return False if course.ended else None


def _rungs(pruner: AnyPruner | None, epochs: int) -> Iterator[int]:
    """The epochs after which candidates are compared; after the last one there is nothing to save."""
    match pruner:
        case Asha(grace=rung, reduction=reduction):
            while rung < epochs:
                yield rung
                rung *= reduction
        case Median(grace=grace):
            yield from range(grace, epochs)
        case None:
            return


def _prunes(values: Sequence[float], others: Sequence[Sequence[float]], pruner: AnyPruner) -> bool:
    match pruner:
        case Asha(reduction=reduction):
            # As in Ray's scheduler of this name, the first candidate to arrive continues.
            return bool(others) and _beyond_quantile(values[-1], [other[-1] for other in others], reduction)
        case Median(startup=startup):
            if len(others) < startup:
                return False
            means = [statistics.fmean(map(comparable, other)) for other in others]
            return exceeds(min(map(comparable, values)), statistics.median(means))


def _beyond_quantile(value: float, others: Sequence[float], reduction: int) -> bool:
    """Whether a value exceeds the quantile 1 / `reduction` of the others, interpolated linearly as in NumPy.

    Ranks decide where they can, in whole numbers. Arithmetic decides only between the two ranks beside the quantile.
    """
    value = comparable(value)
    ordered = sorted(map(comparable, others))
    rank, rest = divmod(len(ordered) - 1, reduction)
    below = ordered[rank]
    if rest == 0 or value <= below:
        return value > below
    above = ordered[rank + 1]
    if value >= above:
        return above < math.inf
    return exceeds(value, below + (above - below) * rest / reduction)
