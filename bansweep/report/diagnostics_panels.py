"""The four panels of a network in the diagnostics plot, and the styles that distinguish its lines.

matplotlib is imported where something is drawn, and for types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bansweep.report.diagnostics import (
    CONFIDENCE_P05,
    CONFIDENCE_P25,
    CONFIDENCE_P50,
    CONFIDENCE_P75,
    CONFIDENCE_P95,
    DARK_KNOWLEDGE_SIZE,
    GROUND_TRUTH,
    GROUND_TRUTH_SIZE,
    TEST_AGREEMENT,
    TRAIN_AGREEMENT,
    VALIDATION_AGREEMENT,
    StudentDiagnostics,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# Okabe and Ito's palette for all kinds of colour vision, without its yellow, which is too pale on white. Colours and
# markers repeat after different counts, so that 56 columns differ; markers alone distinguish lines in greyscale.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
# The style of teachers trained on labels: no student has a grey or these markers.
_TEACHER_COLOUR = "#555555"
_TEACHER_MARKERS = ("h", "d", "<", ">")

_MARKERS_A_LINE = 7

_SIZES = (GROUND_TRUTH_SIZE, DARK_KNOWLEDGE_SIZE)


@dataclass(frozen=True)
class LineStyle:
    """How a column is drawn. `shift`, 0 to 1, keeps its markers off the others'."""

    colour: str
    marker: str
    shift: float


@dataclass(frozen=True)
class Panel:
    """A panel: `key` is the end of its id in the SVG, `explanation` says what is solid, dashed and thin.

    `draw` takes the axes, the students of a network and the style of each column.
    """

    key: str
    title: str
    explanation: str
    y_label: str
    draw: Callable[[Axes, Sequence[StudentDiagnostics], Mapping[str, LineStyle]], None]


def line_styles(columns: Sequence[str]) -> dict[str, LineStyle]:
    """A style for each column, the same for all networks."""
    return {
        column: LineStyle(_COLOURS[index % len(_COLOURS)], _MARKERS[index % len(_MARKERS)], index / len(columns))
        for index, column in enumerate(columns)
    }


def _draw_sizes(axes: Axes, students: Sequence[StudentDiagnostics], styles: Mapping[str, LineStyle]) -> None:
    for student in students:
        _line(axes, student, GROUND_TRUTH_SIZE, styles[student.column])
        _line(axes, student, DARK_KNOWLEDGE_SIZE, styles[student.column], dashes="--")
    _logarithmic(axes, students)


def _draw_signed(axes: Axes, students: Sequence[StudentDiagnostics], styles: Mapping[str, LineStyle]) -> None:
    axes.axhline(0, color="#999999", linewidth=0.8)
    for student in students:
        _line(axes, student, GROUND_TRUTH, styles[student.column])


def _draw_confidence(axes: Axes, students: Sequence[StudentDiagnostics], styles: Mapping[str, LineStyle]) -> None:
    """A band for each teacher, from the first of the students that it teaches: the others see nearly the same.

    A teacher that is a student itself keeps its own style.
    """
    taught_first: dict[str, StudentDiagnostics] = {}
    for student in students:
        if CONFIDENCE_P50 in student.curves:
            taught_first.setdefault(student.teacher, student)
    from_labels = [teacher for teacher in taught_first if teacher not in styles]
    for teacher, student in taught_first.items():
        style = styles.get(teacher) or LineStyle(
            _TEACHER_COLOUR, _TEACHER_MARKERS[from_labels.index(teacher) % len(_TEACHER_MARKERS)], shift=0.5
        )
        _band(axes, student, style)
        for edge in (CONFIDENCE_P05, CONFIDENCE_P95):
            _line(axes, student, edge, style, width=0.6, marked=False)
        _line(axes, student, CONFIDENCE_P50, style, label=teacher)
    if taught_first:
        _legend_below_the_lines(axes, entries=len(taught_first))


def _draw_agreement(axes: Axes, students: Sequence[StudentDiagnostics], styles: Mapping[str, LineStyle]) -> None:
    for student in students:
        evaluated = VALIDATION_AGREEMENT if VALIDATION_AGREEMENT in student.curves else TEST_AGREEMENT
        _line(axes, student, TRAIN_AGREEMENT, styles[student.column], dashes="--")
        _line(axes, student, evaluated, styles[student.column])


PANELS = (
    Panel(
        "sizes",
        "Size of the two parts of the KD gradient (Eq. 7)",
        "solid: |ground truth|;  dashed: L2 norm of dark knowledge",
        "mean per sample (no unit, log scale)",
        _draw_sizes,
    ),
    Panel(
        "ground-truth",
        "Ground-truth part, with its sign",
        "below 0: student less sure of the label than teacher",
        "mean of q* − p* (no unit)",
        _draw_signed,
    ),
    Panel(
        "confidence",
        "Confidence of each teacher",
        "line: median;  band: 25–75 %;  thin: 5 and 95 % of samples",
        "largest probability (0 to 1)",
        _draw_confidence,
    ),
    Panel(
        "agreement",
        "Agreement of teacher and student",
        "solid: evaluation split;  dashed: training",
        "same class (% of samples)",
        _draw_agreement,
    ),
)


def _line(
    axes: Axes,
    student: StudentDiagnostics,
    metric: str,
    style: LineStyle,
    *,
    dashes: str = "-",
    width: float = 1.3,
    marked: bool = True,
    label: str | None = None,
) -> None:
    """The curve of a metric, where there is one; `row/column/metric` is its id in the SVG."""
    curve = student.curves.get(metric)
    if curve is None:
        return
    axes.plot(
        curve.epochs,
        curve.values,
        color=style.colour,
        linestyle=dashes,
        linewidth=width,
        marker=style.marker if marked else "",
        markevery=_marked_points(len(curve.epochs), style.shift),
        label=label,
        gid=f"{student.row}/{student.column}/{metric}",
    )


def _marked_points(points: int, shift: float) -> list[int]:
    """Which points of a line have markers: all of a short one."""
    if points <= _MARKERS_A_LINE:
        return list(range(points))
    distance = points / _MARKERS_A_LINE
    return [int((index + shift) * distance) for index in range(_MARKERS_A_LINE)]


def _band(axes: Axes, student: StudentDiagnostics, style: LineStyle) -> None:
    low, high = student.curves.get(CONFIDENCE_P25), student.curves.get(CONFIDENCE_P75)
    if low is not None and high is not None and low.epochs == high.epochs:
        axes.fill_between(low.epochs, low.values, high.values, color=style.colour, alpha=0.2, linewidth=0)


def _logarithmic(axes: Axes, students: Sequence[StudentDiagnostics]) -> None:
    """Sizes fall tenfold over a schedule's steps. A size of exactly zero cannot be shown on this scale."""
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    curves = [student.curves[name] for student in students for name in _SIZES if name in student.curves]
    if not any(value > 0 for curve in curves for value in curve.values):
        return
    axes.set_yscale("log", nonpositive="mask")
    # Plain numbers at 1, 2 and 5; where less than a decade is shown, this locator falls back to even steps.
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _legend_below_the_lines(axes: Axes, entries: int) -> None:
    """The scale is extended downward by what the legend needs: over the bands it could not be read."""
    low, high = axes.get_ylim()
    share = 0.06 + 0.09 * entries
    axes.set_ylim(low - (high - low) * share / (1 - share), high)
    axes.legend(loc="lower left", borderaxespad=0.2)
