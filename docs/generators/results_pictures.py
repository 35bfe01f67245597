"""Draws the differences of a sweep's columns with their intervals, a line for each pair of columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from picture_style import DARK, FOLDER, LIGHT, MIDDLE, STYLE, save
from results_findings import ALL_ROWS, Finding

HEIGHT_OF_PAIR, HEIGHT_OF_REST = 0.34, 0.9
"""In inches; the rest is the axis and the legend."""
MARKS = "os^Dv"


def picture(name: str) -> Path:
    """Where the picture of a sweep is."""
    return FOLDER / f"results-{name}.svg"


def description(findings: Sequence[Finding]) -> str:
    """The figures of the picture, in words: what a screen reader has, and what tells an outdated picture."""
    return "; ".join(f"{one.name}, {one.row}: {one.mean_text} ({one.interval_text})" for one in findings)


def described(path: Path) -> str | None:
    """The description in a picture that was drawn; None where there is none."""
    if not path.is_file():
        return None
    found = ElementTree.parse(path).find(".//{http://purl.org/dc/elements/1.1/}description")
    return None if found is None else found.text


def draw(name: str, findings: Sequence[Finding], unit: str) -> Path:
    """Write the picture of a sweep's findings; differences are in `unit`."""
    with mpl.rc_context(STYLE):
        return save(_figure(findings, unit), picture(name).stem, f"Differences of {name}", description(findings))


def _figure(findings: Sequence[Finding], unit: str) -> Figure:
    pairs = list(dict.fromkeys(one.name for one in findings))
    rows = list(dict.fromkeys(one.row for one in findings))
    figure, axes = plt.subplots(figsize=(7, HEIGHT_OF_PAIR * len(pairs) + HEIGHT_OF_REST), layout="constrained")
    axes.axvline(0, color=MIDDLE, linestyle=":", linewidth=1)
    for number in range(0, len(pairs), 2):
        axes.axhspan(number - 0.5, number + 0.5, color=LIGHT, alpha=0.25, linewidth=0)
    for finding in findings:
        number = rows.index(finding.row)
        shift = 0.7 * ((number + 0.5) / len(rows) - 0.5)
        _mark(axes, finding, pairs.index(finding.name) + shift, MARKS[number % len(MARKS)])
    axes.set_yticks(range(len(pairs)), pairs)
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"{unit}; left of 0 the first column is better")
    handles = _handle_of_each_row(axes)
    figure.legend(
        [handles[row] for row in rows if row in handles],
        [row for row in rows if row in handles],
        loc="outside upper center",
        ncols=len(rows),
        frameon=False,
    )
    return figure


def _mark(axes: Axes, finding: Finding, height: float, mark: str) -> None:
    """A mark at the mean, and a line over the interval, heavy where it is all rows'."""
    mean, interval = finding.paired.mean, finding.paired.interval
    whole = finding.row == ALL_ROWS
    if interval is not None:
        axes.plot(interval, (height, height), color=DARK if whole else MIDDLE, linewidth=2.2 if whole else 1)
    if mean is not None:
        face = DARK if whole else "white"
        axes.plot(mean, height, mark, color=DARK, markerfacecolor=face, markersize=5, label=finding.row)


def _handle_of_each_row(axes: Axes) -> dict[str, Artist]:
    handles, labels = axes.get_legend_handles_labels()
    return dict(zip(labels, handles, strict=True))
