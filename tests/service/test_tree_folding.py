"""What a tree shows where a terminal is low."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bansweep.service.sweep_status import GenerationStatus, RowStatus, SweepStatus, TrainingStatus
from bansweep.service.tree import TreeLine, folded


def row(name: str, *states: str) -> RowStatus:
    def generation(place: int, state: str) -> GenerationStatus:
        training = (TrainingStatus("", 1, 4),) if state == "training" else ()
        return GenerationStatus(f"g{place}", state, training)  # type: ignore[arg-type]

    return RowStatus(name, tuple(generation(place, state) for place, state in enumerate(states)))


SWEEP = SweepStatus(
    rows=(
        row("a", "finished", "finished", "in the store"),
        row("b", "finished", "training", "waiting"),
        row("c", "waiting", "waiting", "waiting"),
    ),
    counts="",
)


def labels(height: int) -> list[str]:
    return [f"{line.label}: {line.remark}" if line.remark else line.label for line in folded(SWEEP, height)]


def test_where_there_is_room_everything_is_shown() -> None:
    assert labels(12) == ["a", "  g0", "  g1", "  g2", "b", "  g0", "  g1", "  g2", "c", "  g0", "  g1", "  g2"]


def test_first_rows_that_are_done_are_counted() -> None:
    done = "a: 2 finished, 1 in the store"
    assert labels(11) == [done, "b", "  g0", "  g1", "  g2", "c", "  g0", "  g1", "  g2"]


def test_then_what_does_not_run() -> None:
    assert labels(8) == ["a: 2 finished, 1 in the store", "b: 1 finished, 1 waiting", "  g1", "c: 3 waiting"]


def test_then_rows_in_which_nothing_runs() -> None:
    assert labels(3) == ["b: 1 finished, 1 waiting", "  g1", "2 other rows: 2 finished, 1 in the store, 3 waiting"]


def test_and_then_the_rest_is_cut_off() -> None:
    assert labels(2) == ["b: 1 finished, 1 waiting", "and 1 more running"]


states = st.sampled_from(["finished", "training", "waiting", "failed", "searching"])


@given(
    rows=st.lists(st.lists(states, min_size=1, max_size=6), min_size=1, max_size=8),
    height=st.integers(min_value=0, max_value=60),
)
def test_it_always_fits(rows: list[list[str]], height: int) -> None:
    sweep = SweepStatus(tuple(row(f"r{place}", *states) for place, states in enumerate(rows)), counts="")
    lines = folded(sweep, height)
    assert 1 <= len(lines) <= max(1, height)
    assert all(isinstance(line, TreeLine) for line in lines)
