"""A sweep as a tree on a terminal: its rows, below each its generations, and how far each of them is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from bansweep.service.progress.folding import TreeLine, folded
from bansweep.service.progress.running import duration_text
from bansweep.service.progress.standing import GenerationState, SweepStanding, TrainingStanding

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
    """As high and as wide as the console is: see `folded` for what a low one shows, and here for a narrow one.

    `prefix` begins the closing line. On a narrow terminal first bars
    and speeds go, then what is left of each training.
    """

    def __init__(
        self,
        sweep: SweepStanding,
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
        """What it all comes to and how long it will take: on one line, or on two where that is too narrow."""
        counts = self._prefix + self._sweep.counts
        if not self._sweep.time_left_s:
            return (counts,)
        # Between two events time goes on.
        left_s = max(0.0, self._sweep.time_left_s - (self._clock() - self._sweep.at))
        left = f"{'at least' if self._sweep.at_least else 'about'} {duration_text(left_s)} left"
        one = f"{counts}; {left}"
        return (one,) if cell_len(one) <= width else (counts, left)


def _laid_out(lines: Sequence[TreeLine], width: int, *, plain: bool) -> Iterator[Text]:
    """Labels, then states or bars, each below each other; then how far trainings are; remarks run on freely."""
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
    """What stands behind a line's label."""
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


def _bar(training: TrainingStanding, *, plain: bool) -> Text:
    done, to_do = "#." if plain else "━─"
    cells = _BAR_WIDTH * min(training.epochs_done, training.epochs) // max(1, training.epochs)
    return Text.assemble((done * cells, "cyan"), (to_do * (_BAR_WIDTH - cells), "dim"))
