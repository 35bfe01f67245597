"""A sweep as a tree on a terminal, folded to the terminal's height."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from bansweep.formatting import duration_text
from bansweep.service.sweep_status import (
    DONE,
    GenerationState,
    GenerationStatus,
    RowStatus,
    SweepStatus,
    TrainingStatus,
)

_STEP = "  "
# In this order; running generations have lines of their own.
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

_BAR_WIDTH = 16
_GAP = "  "
_WIDE, _MEDIUM = 100, 76
_CURSOR_LINE = 1
# Words tell states apart; colours only help.
_STYLES: dict[GenerationState, str] = {
    "training": "bold",
    "searching": "bold",
    "finished": "green",
    "in the store": "green",
    "failed": "bold red",
    "damaged": "bold red",
    "blocked": "red",
}


class ProgressTree:
    """A tree that fits the console: `folded` makes it fit the height.

    On narrow consoles speeds are dropped first, then bars. `prefix` begins the closing line.
    """

    def __init__(
        self,
        sweep: SweepStatus,
        *,
        prefix: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sweep = sweep
        self._prefix = prefix
        self._clock = clock

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        closing = self._closing(options.max_width)
        height = options.size.height - len(closing) - _CURSOR_LINE
        # Some terminals lack the characters of bars, and of an ellipsis.
        plain = options.ascii_only
        lines = _laid_out(folded(self._sweep, height), options.max_width, plain=plain)
        for line in (*lines, *(Text(text, style="bold") for text in closing)):
            line.truncate(options.max_width, overflow="crop" if plain else "ellipsis")
            line.no_wrap = True
            yield line

    def _closing(self, width: int) -> tuple[str, ...]:
        """Counts and time left, on one line, or on two where that is too narrow."""
        counts = self._prefix + self._sweep.counts
        if not self._sweep.time_left_s:
            return (counts,)
        # Time passes between events.
        left_s = max(0.0, self._sweep.time_left_s - (self._clock() - self._sweep.at))
        left = f"{'at least' if self._sweep.at_least else 'about'} {duration_text(left_s)} left"
        one = f"{counts}; {left}"
        return (one,) if cell_len(one) <= width else (counts, left)


def _laid_out(lines: Sequence[TreeLine], width: int, *, plain: bool) -> Iterator[Text]:
    """Labels, states or bars, and the progress of trainings in aligned columns; remarks are not aligned."""
    label_width = min(max((cell_len(line.label) for line in lines), default=0), max(12, width * 2 // 5))
    rows = [(line, _cells(line, width, plain=plain)) for line in lines]
    widths = _widths(cells for line, cells in rows if line.training is not None)
    state_width = max([*widths[:1], *(cell_len(line.state or "") for line in lines)], default=0)
    for line, cells in rows:
        label = Text(line.label, style="bold" if line.state is None or line.training is not None else "")
        label.truncate(label_width, overflow="crop" if plain else "ellipsis", pad=True)
        text = Text.assemble(label)
        for place, cell in enumerate(cells):
            padded = cell.copy()
            padded.pad_right(max(0, _width_at(place, line, widths, state_width) - cell.cell_len))
            text.append(_GAP).append_text(padded)
        text.rstrip()
        yield text


def _width_at(place: int, line: TreeLine, widths: Sequence[int], state_width: int) -> int:
    if line.state is None:
        return 0
    if place == 0:
        return state_width
    return widths[place] if line.training is not None else 0


def _widths(rows: Iterable[Sequence[Text]]) -> list[int]:
    return [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]


def _cells(line: TreeLine, width: int, *, plain: bool) -> list[Text]:
    """The cells after a line's label."""
    if line.state is None:
        return [Text(line.remark, style="dim")]
    training = line.training
    if training is None:
        style = _STYLES.get(line.state, "dim")
        return [Text(line.state, style=style), Text(line.remark, style="red" if line.state == "failed" else "")]
    epochs = Text(f"epoch {training.epochs_done}/{training.epochs}")
    metric, speed, left = Text(training.metric), Text(training.speed), Text(training.left)
    if width < _MEDIUM:
        return [epochs, metric, left]
    bar = _bar(training, plain=plain)
    return [bar, epochs, metric, left] if width < _WIDE else [bar, epochs, metric, speed, left]


def _bar(training: TrainingStatus, *, plain: bool) -> Text:
    done, to_do = "#." if plain else "━─"
    cells = _BAR_WIDTH * min(training.epochs_done, training.epochs) // max(1, training.epochs)
    return Text.assemble((done * cells, "cyan"), (to_do * (_BAR_WIDTH - cells), "dim"))


@dataclass(frozen=True)
class TreeLine:
    """A line of the tree: a row with a remark, or a generation in a state, or one of the trainings."""

    label: str
    state: GenerationState | None = None
    training: TrainingStatus | None = None
    remark: str = ""


def folded(sweep: SweepStatus, height: int) -> tuple[TreeLine, ...]:
    """At most `height` lines (at least 1), with running generations first.

    These are folded, one step after the other, until the tree fits: finished rows; idle generations, counted in their
    row; idle rows, counted together; candidates, counted in their generation. The remaining lines are cut and counted.
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


def _whole(rows: Sequence[RowStatus]) -> Iterator[TreeLine]:
    for row in rows:
        yield TreeLine(row.label)
        for generation in row.generations:
            yield from _generation(generation, _candidates)


def _without_rows_done(rows: Sequence[RowStatus]) -> Iterator[TreeLine]:
    for row in rows:
        if all(state in DONE for state in row.states):
            yield TreeLine(row.label, remark=counts_text(row.states))
        else:
            yield from _whole([row])


def _running_below_counts(rows: Sequence[RowStatus]) -> Iterator[TreeLine]:
    for row in rows:
        yield from _running_row(row, _candidates)


def _running_rows(rows: Sequence[RowStatus]) -> Iterator[TreeLine]:
    yield from _running_and_others(rows, _candidates)


def _running_generations(rows: Sequence[RowStatus]) -> Iterator[TreeLine]:
    yield from _running_and_others(rows, _candidates_counted)


def _running_and_others(
    rows: Sequence[RowStatus], candidates: Callable[[GenerationStatus], Iterator[TreeLine]]
) -> Iterator[TreeLine]:
    others = [row for row in rows if not row.runs]
    for row in rows:
        if row.runs:
            yield from _running_row(row, candidates)
    if others:
        states = sum((row.states for row in others), Counter[GenerationState]())
        name = f"{len(others)} {'other ' if len(others) < len(rows) else ''}row{'s' if len(others) > 1 else ''}"
        yield TreeLine(name, remark=counts_text(states))


def _running_row(row: RowStatus, candidates: Callable[[GenerationStatus], Iterator[TreeLine]]) -> Iterator[TreeLine]:
    yield TreeLine(row.label, remark=counts_text(row.states))
    for generation in row.generations:
        if generation.runs:
            yield from _generation(generation, candidates)


def _generation(
    generation: GenerationStatus, candidates: Callable[[GenerationStatus], Iterator[TreeLine]]
) -> Iterator[TreeLine]:
    if generation.searches:
        yield from candidates(generation)
    else:
        training = generation.trainings[0] if generation.trainings else None
        yield TreeLine(_STEP + generation.label, generation.state, training, generation.remark)


def _candidates(generation: GenerationStatus) -> Iterator[TreeLine]:
    yield TreeLine(_STEP + generation.label, generation.state, remark=generation.remark)
    for training in generation.trainings:
        yield TreeLine(2 * _STEP + training.label, "training", training)


def _candidates_counted(generation: GenerationStatus) -> Iterator[TreeLine]:
    training = f", {len(generation.trainings)} training" if generation.trainings else ""
    yield TreeLine(_STEP + generation.label, generation.state, remark=f"{generation.remark}{training}")


def counts_text(states: Counter[GenerationState]) -> str:
    """`2 finished, 3 waiting`, without running generations."""
    return ", ".join(f"{states[state]} {state}" for state in _COUNTED if states[state])
