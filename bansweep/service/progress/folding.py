"""Which lines of a progress tree are shown where a terminal is not high enough for all of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bansweep.service.progress.standing import (
    DONE,
    GenerationStanding,
    GenerationState,
    RowStanding,
    SweepStanding,
    TrainingStanding,
)

_STEP = "  "
# In this order, without those that run: they are shown.
_COUNTED: tuple[GenerationState, ...] = (
    "finished",
    "in the store",
    "failed",
    "blocked",
    "damaged",
    "not needed",
    "stopped",
    "waiting",
)


@dataclass(frozen=True)
class TreeLine:
    """A line of the tree: a row with a remark, or a generation in a state, or one of the trainings."""

    label: str
    state: GenerationState | None = None
    training: TrainingStanding | None = None
    remark: str = ""


def folded(sweep: SweepStanding, height: int) -> tuple[TreeLine, ...]:
    """At most `height` lines (at least 1), those that run first of all.

    Folded one after the other until it fits: rows that are done; generations that do not run, which their row counts;
    rows in which nothing runs, which are counted together; candidates, which their generation counts. What is still
    too much is cut off and counted.
    """
    height = max(1, height)
    lines: tuple[TreeLine, ...] = ()
    for lines_of in (_whole, _without_rows_done, _running_below_counts, _running_rows, _running_generations):
        lines = tuple(lines_of(sweep.rows))
        if len(lines) <= height:
            return lines
    cut = lines[height - 1 :]
    running = sum(line.state is not None or line.training is not None for line in cut)
    return *lines[: height - 1], TreeLine(f"and {running} more running" if running else "and more")


def _whole(rows: Sequence[RowStanding]) -> Iterator[TreeLine]:
    for row in rows:
        yield TreeLine(row.label)
        for generation in row.generations:
            yield from _generation(generation, _candidates)


def _without_rows_done(rows: Sequence[RowStanding]) -> Iterator[TreeLine]:
    for row in rows:
        if all(state in DONE for state in row.states):
            yield TreeLine(row.label, remark=counts_text(row.states))
        else:
            yield from _whole([row])


def _running_below_counts(rows: Sequence[RowStanding]) -> Iterator[TreeLine]:
    for row in rows:
        yield from _running_row(row, _candidates)


def _running_rows(rows: Sequence[RowStanding]) -> Iterator[TreeLine]:
    yield from _running_and_others(rows, _candidates)


def _running_generations(rows: Sequence[RowStanding]) -> Iterator[TreeLine]:
    yield from _running_and_others(rows, _candidates_counted)


def _running_and_others(
    rows: Sequence[RowStanding], candidates: Callable[[GenerationStanding], Iterator[TreeLine]]
) -> Iterator[TreeLine]:
    others = [row for row in rows if not row.runs]
    for row in rows:
        if row.runs:
            yield from _running_row(row, candidates)
    if others:
        states = sum((row.states for row in others), Counter[GenerationState]())
        name = f"{len(others)} {'other ' if len(others) < len(rows) else ''}row{'s' if len(others) > 1 else ''}"
        yield TreeLine(name, remark=counts_text(states))


def _running_row(
    row: RowStanding, candidates: Callable[[GenerationStanding], Iterator[TreeLine]]
) -> Iterator[TreeLine]:
    yield TreeLine(row.label, remark=counts_text(row.states))
    for generation in row.generations:
        if generation.runs:
            yield from _generation(generation, candidates)


def _generation(
    generation: GenerationStanding, candidates: Callable[[GenerationStanding], Iterator[TreeLine]]
) -> Iterator[TreeLine]:
    if generation.searches:
        yield from candidates(generation)
    else:
        training = generation.trainings[0] if generation.trainings else None
        yield TreeLine(_STEP + generation.label, generation.state, training, generation.remark)


def _candidates(generation: GenerationStanding) -> Iterator[TreeLine]:
    yield TreeLine(_STEP + generation.label, generation.state, remark=generation.remark)
    for training in generation.trainings:
        yield TreeLine(2 * _STEP + training.label, "training", training)


def _candidates_counted(generation: GenerationStanding) -> Iterator[TreeLine]:
    training = f", {len(generation.trainings)} training" if generation.trainings else ""
    yield TreeLine(_STEP + generation.label, generation.state, remark=f"{generation.remark}{training}")


def counts_text(states: Counter[GenerationState]) -> str:
    """`2 finished, 3 waiting`, without those that run."""
    return ", ".join(f"{states[state]} {state}" for state in _COUNTED if states[state])
