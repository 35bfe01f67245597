"""A chart as a value: what is drawn, its texts, and its figures as a table, for screen readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """`label` is shown under the pointer; `low` and `high` are the ends of an error bar."""

    x: float
    y: float
    label: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Style:
    """How a line looks: numbers repeat cyclically. Marker and dashes distinguish lines without colour."""

    colour: int
    marker: int
    dash: int

    @classmethod
    def number(cls, number: int) -> Style:
        """The style of the line with this number, which differs from many before it."""
        return cls(number, number, number)


@dataclass(frozen=True)
class Series:
    """Points under one name; `connected` by a line, or each for itself."""

    name: str
    points: Sequence[Point]
    style: Style
    connected: bool = True


@dataclass(frozen=True)
class FigureTable:
    """The figures of a chart, as text: a line a row, of which the first entry names it."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Chart:
    """`key` makes its ids unique in the page. `description` is read instead of the picture.

    `rows`, where given, are names along the y axis, on which values 0, 1, 2 ... lie from the top. A `diagonal` is where
    x equals y. `remark` is a sentence below, on omitted data.
    """

    key: str
    title: str
    description: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    table: FigureTable
    x_integer: bool = False
    may_be_logarithmic: bool = False
    rows: Sequence[str] = ()
    diagonal: bool = False
    remark: str = ""

    @property
    def points(self) -> list[Point]:
        return [point for one in self.series for point in one.points]
