"""When points contradict what a run holds, by hand."""

from __future__ import annotations

import pytest

from bansweep.tracking.payload import Point
from bansweep.tracking.runs import is_superseded

EPOCHS = [Point("epoch_seconds", 1.0, 200, 2), Point("epoch_seconds", 1.0, 300, 3), Point("test_error", 5.0, 999, 1)]
END = [Point("training_seconds", 3.0, 350, 3)]


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([], False),
        ([(1, 100)], False),
        ([(1, 100), (2, 200), (3, 300)], False),
        ([(4, 400)], False),  # a candidate that was given up while it trained its last epoch
        ([(2, 201)], True),
        ([(2, 200), (2, 250)], True),
    ],
)
def test_an_epoch_has_one_time(held: list[tuple[int, int]], expected: bool) -> None:
    assert is_superseded("epoch_seconds", held, EPOCHS) is expected


@pytest.mark.parametrize(
    ("held", "expected"),
    [([], False), ([(3, 350)], False), ([(3, 351)], True), ([(2, 350)], True), ([(3, 350), (2, 250)], True)],
)
def test_a_training_ends_once(held: list[tuple[int, int]], expected: bool) -> None:
    assert is_superseded("training_seconds", held, END) is expected


def test_epochs_say_nothing_of_an_end_that_is_known() -> None:
    assert not is_superseded("training_seconds", [(3, 350)], EPOCHS)
