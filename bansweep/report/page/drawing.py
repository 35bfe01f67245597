"""From a chart to the shapes of its SVG: scales, pixels and paths, which the template writes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bansweep.report.page.chart import Chart, Point, Series, Style

_TICKS, _FEWEST_TICKS = 6, 3
_LOGARITHMIC_STEPS = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 4, 6, 8))
_MARGIN = 0.04
# Larger ratios are drawn on a logarithmic scale, where the caller of `Scale.of` allows it.
_LARGE_SPAN = 3.0

# Shown at about this size on phones and desktops, so that its letters match the text around it.
WIDTH = 380.0
_HEIGHT = 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 10.0, 10.0, 42.0
_ROW_HEIGHT, _CHARACTER, _LONGEST_NAME = 24.0, 6.7, 24
_MARKERS_A_LINE = 8

COLOURS = 7
DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "5 2 1 2 1 2")
# Around the origin; the plus and the cross are strokes, all others are filled.
MARKERS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z",
    "M-3.5 -3.5h7v7h-7Z",
    "M0 -4.6L4.4 3.4H-4.4Z",
    "M0 -5L5 0L0 5L-5 0Z",
    "M0 4.6L4.4 -3.4H-4.4Z",
    "M-4 0H4M0 -4V4",
    "M-3.4 -3.4L3.4 3.4M-3.4 3.4L3.4 -3.4",
    "M-4.5 -1.8h9v3.6h-9Z",
)


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Marker:
    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Look:
    """A style as the template needs it: the number of a colour, a dash pattern, a marker's path."""

    colour: int
    dash: str
    marker: str


@dataclass(frozen=True)
class DrawnSeries:
    """`line` is a path, empty where points stand for themselves; `bars` are the error bars' ends: x, top, bottom."""

    name: str
    look: Look
    line: str
    markers: tuple[Marker, ...]
    bars: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Drawing:
    """`diagonal` is a path, empty where there is none."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    y_label: str
    series: tuple[DrawnSeries, ...]
    diagonal: str = ""


def drawing(chart: Chart) -> Drawing:
    """The shapes of a chart that has at least one point; all of its points are finite."""
    height = _height(chart)
    longest = max(map(len, chart.rows), default=0)
    left = 12.0 + _CHARACTER * min(longest, _LONGEST_NAME) if chart.rows else _LEFT
    right, bottom = WIDTH - _RIGHT, height - _BOTTOM
    points = chart.points
    heights = [value for point in points for value in (point.y, point.low, point.high) if value is not None]
    widths = [point.x for point in points]
    if chart.diagonal:
        widths = heights = [*widths, *heights]
    x = Scale.of(widths, left, right, integer=chart.x_integer)
    if chart.rows:
        y = Scale(-0.5, len(chart.rows) - 0.5, _TOP, bottom, ())
        y_ticks = tuple(Tick(y.position(place), _shortened(name)) for place, name in enumerate(chart.rows))
    else:
        y = Scale.of(heights, bottom, _TOP, may_be_logarithmic=chart.may_be_logarithmic)
        y_ticks = tuple(Tick(y.position(tick), f"{tick:g}") for tick in y.ticks)
    return Drawing(
        width=WIDTH,
        height=height,
        left=left,
        right=right,
        top=_TOP,
        bottom=bottom,
        x_ticks=tuple(Tick(x.position(tick), f"{tick:g}") for tick in x.ticks),
        y_ticks=y_ticks,
        y_label=chart.y_label + (" (log scale)" if y.logarithmic else ""),
        series=tuple(_drawn(one, x, y, number) for number, one in enumerate(chart.series)),
        diagonal=_path([(x.position(x.low), y.position(x.low)), (x.position(x.high), y.position(x.high))])
        if chart.diagonal
        else "",
    )


def look(style: Style) -> Look:
    """The look of a style: each number repeats cyclically."""
    return Look(style.colour % COLOURS, DASHES[style.dash % len(DASHES)], MARKERS[style.marker % len(MARKERS)])


def _height(chart: Chart) -> float:
    if chart.rows:
        return _TOP + _BOTTOM + _ROW_HEIGHT * len(chart.rows)
    # A diagonal needs axes of equal length.
    return WIDTH - _LEFT - _RIGHT + _TOP + _BOTTOM if chart.diagonal else _HEIGHT


def _drawn(series: Series, x: Scale, y: Scale, number: int) -> DrawnSeries:
    places = [(x.position(point.x), y.position(point.y)) for point in series.points]
    marked = set(_marked(len(places), number)) if series.connected else set(range(len(places)))
    return DrawnSeries(
        name=series.name,
        look=look(series.style),
        line=_path(places) if series.connected and len(places) > 1 else "",
        markers=tuple(
            Marker(*place, point.label)
            for index, (place, point) in enumerate(zip(places, series.points, strict=True))
            if index in marked
        ),
        bars=tuple(_bars(series.points, x, y)),
    )


def _bars(points: Sequence[Point], x: Scale, y: Scale) -> Iterator[tuple[float, float, float]]:
    for point in points:
        if point.low is not None and point.high is not None:
            yield x.position(point.x), y.position(point.high), y.position(point.low)


def _marked(points: int, number: int) -> list[int]:
    """Which points of a line have markers: all of a short one, few of a long one, shifted from its neighbours'."""
    if points <= 2 * _MARKERS_A_LINE:
        return list(range(points))
    distance = points / _MARKERS_A_LINE
    shift = (number * 0.381966) % 1  # the golden ratio: markers of neighbouring lines lie far apart
    return [int((index + shift) * distance) for index in range(_MARKERS_A_LINE)]


def _path(places: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in places)


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`, drawn from `start` to `end` (pixels), with `ticks` between."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    @classmethod
    def of(
        cls,
        values: Iterable[float],
        start: float,
        end: float,
        *,
        integer: bool = False,
        may_be_logarithmic: bool = False,
    ) -> Scale:
        """The axis for these values, not empty and finite. A large span of positive ones may become logarithmic."""
        known = sorted(values)
        low, high = known[0], known[-1]
        if may_be_logarithmic and low > 0 and high / low > _LARGE_SPAN:
            margin = (high / low) ** _MARGIN
            return cls(low / margin, high * margin, start, end, _logarithmic_ticks(low, high), logarithmic=True)
        margin = (high - low) * _MARGIN or (0.5 if integer else max(abs(low) * 0.05, 1e-3))
        low, high = low - margin, high + margin
        return cls(low, high, start, end, _ticks(low, high, integer=integer))

    def position(self, value: float) -> float:
        """Pixels, to a tenth."""
        share = (self._measure(value) - self._measure(self.low)) / (self._measure(self.high) - self._measure(self.low))
        return round(self.start + share * (self.end - self.start), 1)

    def _measure(self, value: float) -> float:
        return math.log(value) if self.logarithmic else value


def _ticks(low: float, high: float, *, integer: bool) -> tuple[float, ...]:
    from matplotlib.ticker import MaxNLocator

    # More ticks than whole numbers would lie between them.
    fewest = 1 if integer else _FEWEST_TICKS
    locator = MaxNLocator(nbins=_TICKS, integer=integer, steps=[1, 2, 5, 10], min_n_ticks=fewest)
    found = locator.tick_values(low, high)
    return tuple(float(tick) for tick in found if low <= tick <= high)


def _logarithmic_ticks(low: float, high: float) -> tuple[float, ...]:
    """Powers of ten, and multiples of them where there are few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in _LOGARITHMIC_STEPS:
        ticks = [float(f"{step}e{decade}") for decade in decades for step in steps]
        shown = tuple(tick for tick in ticks if low <= tick <= high)
        if len(shown) >= _FEWEST_TICKS:
            break
    return shown
