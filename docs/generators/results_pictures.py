"""Draws the differences of a sweep's columns with their intervals, a line for each pair of columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from picture_style import DARK, FOLDER, LIGHT, MIDDLE, STYLE, save
from results_claims import ALL_ROWS, Finding

HEIGHT_OF_PAIR, HEIGHT_OF_REST = 0.34, 0.9
"""In inches; the rest is the axis and the legend."""
MARKS = "os^Dv"


def picture(name: str) -> Path:
    """Where the picture of a sweep is."""
    return FOLDER / f"results-{name}.svg"


def description(findings: Sequence[Finding]) -> str:
    """The figures of the picture, in words: what a screen reader has, and what tells an outdated picture."""
    return "; ".join(f"{one.first} − {one.second}, {one.row}: {_figures(one)}" for one in findings)


def draw(name: str, findings: Sequence[Finding], unit: str) -> Path:
    """Write the picture of a sweep's findings; differences are in `unit`."""
    with mpl.rc_context(STYLE):
        return save(_figure(findings, unit), picture(name).stem, f"Differences of {name}", description(findings))


def _figure(findings: Sequence[Finding], unit: str) -> Figure:
    pairs = list(dict.fromkeys((one.first, one.second) for one in findings))
    rows = list(dict.fromkeys(one.row for one in findings))
    figure, axes = plt.subplots(figsize=(7, HEIGHT_OF_PAIR * len(pairs) + HEIGHT_OF_REST), layout="constrained")
    axes.axvline(0, color=MIDDLE, linestyle=":", linewidth=1)
    for number in range(0, len(pairs), 2):
        axes.axhspan(number - 0.5, number + 0.5, color=LIGHT, alpha=0.25, linewidth=0)
    for finding in findings:
        shift = (rows.index(finding.row) + 0.5) / len(rows) - 0.5
        _mark(axes, finding, pairs.index((finding.first, finding.second)) + 0.7 * shift, rows.index(finding.row))
    axes.set_yticks(range(len(pairs)), [f"{first} − {second}" for first, second in pairs])
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"{unit}; left of 0 the first column is better")
    figure.legend(*_legend(axes), loc="outside upper center", ncols=len(rows), frameon=False)
    return figure


def _mark(axes: Axes, finding: Finding, height: float, number: int) -> None:
    """A mark at the mean, and a line over the interval, heavy where it is all rows'."""
    mean, interval = finding.paired.mean, finding.paired.interval
    if mean is None:
        return
    whole = finding.row == ALL_ROWS
    if interval is not None:
        axes.plot(interval, (height, height), color=DARK if whole else MIDDLE, linewidth=2.2 if whole else 1)
    face = DARK if whole else "white"
    axes.plot(
        mean, height, MARKS[number % len(MARKS)], color=DARK, markerfacecolor=face, markersize=5, label=finding.row
    )


def _legend(axes: Axes) -> tuple[list[object], list[str]]:
    """Each row once."""
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(reversed(labels), reversed(handles), strict=True))
    return list(once.values())[::-1], list(once)[::-1]


def _figures(finding: Finding) -> str:
    mean, interval = finding.paired.mean, finding.paired.interval
    told = "none" if mean is None else f"{mean:.2f}"
    return told if interval is None else f"{told} ({interval[0]:.2f} to {interval[1]:.2f})"
