"""The diagnostics plot: a matplotlib figure with a strip for each network, written as SVG."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.report.diagnostics import StudentDiagnostics, student_diagnostics
from bansweep.report.diagnostics_panels import PANELS, LineStyle, Panel, line_styles
from bansweep.report.notation import REHEARSAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType


# Everything in inches, placed by hand: a layout engine takes minutes over twenty networks. A strip holds, from the top,
# a gap, the network's name, the legend, the panels' titles, the panels, and their axes' labels.
_WIDTH = 15.0
_MARGIN, _LEFT, _RIGHT, _BETWEEN = 0.3, 0.75, 0.25, 0.85
_PANEL_WIDTH = (_WIDTH - _LEFT - _RIGHT - _BETWEEN * (len(PANELS) - 1)) / len(PANELS)
_PANEL_HEIGHT = 1.9
_HEADING, _SENTENCE = 0.6, 0.2
_GAP, _NAME, _LEGEND_LINE, _PANEL_TITLES, _AXIS_LABELS = 0.3, 0.26, 0.2, 0.42, 0.5
# A legend's entry beside its text, and a character of the text.
_LEGEND_HANDLE, _LEGEND_CHARACTER = 0.6, 0.075

STYLE: Mapping[RcKeyType, Any] = {
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.markersize": 4.5,
}

# Text stays text, which can be searched and read aloud; a fixed salt makes the ids of shared shapes reproducible.
_SVG: Mapping[RcKeyType, Any] = {"svg.fonttype": "none", "svg.hashsalt": "bansweep"}


def diagnostics_svg(
    plan: Plan, histories: Mapping[str, Sequence[EpochReport]], *, rehearsal: bool = False
) -> str | None:
    """The text of an SVG picture, equal for equal arguments; None where no history has any of DIAGNOSTICS.

    `histories` maps generation ids to histories, as `recorded_diagnostics` gives them. Each network that has something
    gets a line of panels against the epoch, with a line for each column: the mean over those of its seeds that are in
    `histories`. A `rehearsal` is marked as one.
    """
    rows = student_diagnostics(plan, histories)
    if not rows:
        return None
    # Imported only here: commands that draw nothing start faster.
    import matplotlib

    heading = f"{plan.sweep}: what students see of their teachers"
    if rehearsal:
        heading = f"{REHEARSAL} ({heading})"
    # The user's matplotlibrc must not change the picture, and the picture's style must not leak.
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**STYLE, **_SVG})
        figure = diagnostics_figure(heading, rows)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Title": heading, "Date": None, "Creator": "bansweep"})
    return _described(text.getvalue(), _description(rows))


def _description(rows: Mapping[str, Sequence[StudentDiagnostics]]) -> str:
    columns = dict.fromkeys(student.column for row in rows.values() for student in row)
    return (
        "Line charts against the epoch, four for each network: the sizes of the ground-truth and the dark-knowledge "
        "part of the distillation gradient, the signed ground-truth part, quantiles of each teacher's largest "
        "probability, and the percentage of samples for which teacher and student give the same class. "
        f"Networks: {', '.join(rows)}. Students: {', '.join(columns)}."
    )


def _described(svg: str, description: str) -> str:
    """The SVG with a description for screen readers; matplotlib writes only the title."""
    named = svg.replace("<svg ", '<svg role="img" aria-labelledby="title description" ', 1)
    return named.replace("<title>", '<title id="title">', 1).replace(
        "</title>", f'</title>\n <desc id="description">{escape(description)}</desc>', 1
    )


def diagnostics_figure(heading: str, rows: Mapping[str, Sequence[StudentDiagnostics]]) -> Figure:
    """The figure, in the current rcParams (STYLE is intended).

    `rows` comes from `student_diagnostics` and is not empty.
    """
    from matplotlib.figure import Figure

    students = [student for row in rows.values() for student in row]
    styles = line_styles(list(dict.fromkeys(student.column for student in students)))
    last_epoch = max((curve.epochs[-1] for student in students for curve in student.curves.values()), default=1)
    sentences = _explanations(students)
    top = _HEADING + _SENTENCE * len(sentences)
    height = top + sum(_strip_height(row) for row in rows.values())
    figure = Figure(figsize=(_WIDTH, height))
    _write(figure, heading, from_top=0.3, size=13, bold=True)
    for index, sentence in enumerate(sentences):
        _write(figure, sentence, from_top=_HEADING + _SENTENCE * index, size=8.5)
    for name, row in rows.items():
        _write(figure, name, from_top=top + _GAP, size=11, bold=True)
        _legend(figure, row, styles, from_top=top + _GAP + _NAME)
        top += _strip_height(row)
        for index, panel in enumerate(PANELS):
            left = _LEFT + index * (_PANEL_WIDTH + _BETWEEN)
            bottom = height - top + _AXIS_LABELS
            axes = figure.add_axes(
                (left / _WIDTH, bottom / height, _PANEL_WIDTH / _WIDTH, _PANEL_HEIGHT / height),
                gid=f"{name}/{panel.key}",
            )
            _fill(axes, panel, row, styles, last_epoch)
    return figure


def _explanations(students: Sequence[StudentDiagnostics]) -> list[str]:
    sentences = [
        "Against the epoch, over its training samples (views of images, or tokens); agreement also on the evaluation "
        "split. q: the student's probabilities, p: the teacher's, *: the label's class.",
        "Eq. 7 splits a sample's KD gradient into q* − p* (ground truth) and q − p of the other classes (dark "
        "knowledge), whose sum is −(q* − p*). Each teacher's confidence is drawn once, as its first student saw it.",
    ]
    if any(student.seeds > 1 for student in students):
        sentences.append(
            "Each line is the mean over the sweep's seeds; where some of them are not finished, the legend says so."
        )
    return sentences


def _strip_height(row: Sequence[StudentDiagnostics]) -> float:
    legend = _LEGEND_LINE * math.ceil(len(row) / _legend_columns(row))
    return _GAP + _NAME + legend + _PANEL_TITLES + _PANEL_HEIGHT + _AXIS_LABELS


def _legend_columns(row: Sequence[StudentDiagnostics]) -> int:
    """How many entries of the longest name's width fit in a line."""
    longest = max(len(_label(student)) for student in row)
    entry = _LEGEND_HANDLE + _LEGEND_CHARACTER * longest
    return min(len(row), max(1, int((_WIDTH - 2 * _MARGIN) / entry)))


def _label(student: StudentDiagnostics) -> str:
    """`ban-2, taught by ban`, and over how many seeds where that is not all of them."""
    partly = f" ({student.recorded} of {student.seeds} seeds)" if student.recorded < student.seeds else ""
    return f"{student.column}, taught by {student.teacher}{partly}"


def _write(figure: Figure, text: str, *, from_top: float, size: float, bold: bool = False) -> None:
    figure.text(
        _MARGIN / _WIDTH,
        1 - from_top / figure.get_figheight(),
        text,
        fontsize=size,
        fontweight="bold" if bold else "normal",
        verticalalignment="center",
        parse_math=False,
    )


def _legend(
    figure: Figure, row: Sequence[StudentDiagnostics], styles: Mapping[str, LineStyle], *, from_top: float
) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=style.colour, marker=style.marker, label=_label(student))
        for student, style in ((student, styles[student.column]) for student in row)
    ]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(_MARGIN / _WIDTH, 1 - (from_top - _LEGEND_LINE / 2) / figure.get_figheight()),
        ncols=_legend_columns(row),
        borderaxespad=0,
        borderpad=0,
    )


def _fill(
    axes: Axes, panel: Panel, row: Sequence[StudentDiagnostics], styles: Mapping[str, LineStyle], last_epoch: int
) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(panel.title, loc="left", pad=16)
    axes.text(0, 1.035, panel.explanation, transform=axes.transAxes, fontsize=7.5, color="#333333")
    axes.set_xlabel("epoch")
    axes.set_ylabel(panel.y_label)
    # All panels share the scale of epochs. A single epoch is in the middle.
    axes.set_xlim(0, last_epoch + max(1.0, 0.02 * last_epoch))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    panel.draw(axes, row, styles)
    if not any(line.get_gid() for line in axes.lines):
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", va="center", color="#555555")
        axes.set_yticks([])
