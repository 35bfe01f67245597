"""Scales and shapes: values lie where they should, and ticks are round."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bansweep.report.diagnostics import Curve
from bansweep.report.page.chart import Chart, FigureTable, Point, Series, Style
from bansweep.report.page.drawing import WIDTH, Scale, drawing, look
from bansweep.report.page.source import EPOCHS, left_out
from bansweep.report.page.training_charts import NamedCurve, epoch_chart

VALUES = st.lists(st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6), min_size=1, max_size=8)


@given(VALUES, st.booleans(), st.booleans())
def test_all_values_and_ticks_lie_on_the_axis(values: list[float], integer: bool, logarithmic: bool) -> None:
    scale = Scale.of(values, 100.0, 0.0, integer=integer, may_be_logarithmic=logarithmic)
    for value in (*values, *scale.ticks):
        assert 0.0 <= scale.position(value) <= 100.0
    ordered = sorted(values)
    assert [scale.position(value) for value in ordered] == sorted(map(scale.position, ordered), reverse=True)


def test_a_linear_axis() -> None:
    scale = Scale.of([0, 10], 0, 108)
    assert (scale.low, scale.high) == (-0.4, 10.4)
    assert scale.position(5) == 54
    assert scale.ticks == (0, 2, 4, 6, 8, 10)


def test_a_large_span_of_positive_values_is_logarithmic() -> None:
    scale = Scale.of([1, 100], 0, 100, may_be_logarithmic=True)
    assert scale.logarithmic
    assert scale.ticks == (1, 10, 100)
    assert scale.position(10) == 50
    assert not Scale.of([0, 100], 0, 100, may_be_logarithmic=True).logarithmic
    assert not Scale.of([50, 100], 0, 100, may_be_logarithmic=True).logarithmic


def test_generations_have_whole_numbers() -> None:
    assert Scale.of([0, 1, 2], 0, 100, integer=True).ticks == (0, 1, 2)
    # One student: no generation lies between it and its teacher.
    assert Scale.of([0, 1], 0, 100, integer=True).ticks == (0, 1)


def chart(*series: Series, **fields: object) -> Chart:
    return Chart("key", "title", "description", "x", "y", series, FigureTable(("x",), ()), **fields)  # type: ignore[arg-type]


def test_lines_markers_and_bars() -> None:
    points = [Point(0, 1, "a", 0.5, 1.5), Point(1, 2, "b")]
    (drawn,) = drawing(chart(Series("line", points, Style.number(0)))).series
    places = drawn.line.removeprefix("M").split("L")
    assert [(f"{marker.x:g} {marker.y:g}", marker.label) for marker in drawn.markers] == [
        (places[0], "a"),
        (places[1], "b"),
    ]
    ((x, top, bottom),) = drawn.bars
    assert x == drawn.markers[0].x
    assert top < drawn.markers[0].y < bottom


def test_points_that_stand_for_themselves_have_no_line() -> None:
    drawn = drawing(
        chart(Series("s", [Point(1, 2, ""), Point(3, 1, "")], Style.number(0), connected=False), diagonal=True)
    )
    assert drawn.series[0].line == ""
    assert (drawn.right - drawn.left) == pytest.approx(drawn.bottom - drawn.top)
    assert drawn.diagonal == f"M{drawn.left:g} {drawn.bottom:g}L{drawn.right:g} {drawn.top:g}"


def test_rows_from_the_top() -> None:
    drawn = drawing(chart(Series("s", [Point(1, 0, ""), Point(2, 1, "")], Style.number(0)), rows=("first", "x" * 99)))
    assert [tick.text for tick in drawn.y_ticks] == ["first", "x" * 23 + "…"]
    assert drawn.y_ticks[0].at < drawn.y_ticks[1].at
    assert drawn.left < WIDTH / 2


def test_looks_differ_for_many_lines() -> None:
    assert len({(look(Style.number(one)).dash, look(Style.number(one)).marker) for one in range(24)}) == 24


def test_long_curves_are_thinned_at_even_distances_and_that_is_said() -> None:
    curve = Curve(tuple(range(1, 1001)), tuple(1 / epoch for epoch in range(1, 1001)))
    made = epoch_chart("key", "title", "description", "y", [NamedCurve("ban", curve, Style.number(0))])
    epochs = [int(point.x) for point in made.series[0].points]
    assert (len(epochs), epochs[0], epochs[-1]) == (EPOCHS, 1, 1000)
    assert {after - before for before, after in pairwise(epochs)} <= {10, 11}
    assert made.remark == "100 of 1000 epochs are drawn and listed."
    assert [row[0] for row in made.table.rows] == [str(epoch) for epoch in epochs]


def test_what_is_left_out_is_said() -> None:
    assert left_out(12, 12, "networks") == ""
    assert left_out(12, 1500, "networks") == (
        "12 of 1,500 networks are shown, the first in the sweep's order; report.csv has them all."
    )
