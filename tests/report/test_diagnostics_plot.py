"""The SVG, parsed as XML: what is drawn, where it stands, and what is said to those who cannot see it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import matplotlib as mpl
import pytest

from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.report.diagnostics import DIAGNOSTICS
from bansweep.report.diagnostics_figure import diagnostics_svg

SVG = "{http://www.w3.org/2000/svg}"
GROUND_TRUTH = {1: -0.3, 2: -0.05, 3: 0.1, 4: 0.2}

Histories = dict[str, tuple[EpochReport, ...]]


def whole_history(values: Mapping[int, float]) -> tuple[EpochReport, ...]:
    """Every metric of DIAGNOSTICS, with the same value in an epoch but for agreements, which are percentages."""
    return tuple(
        EpochReport(
            epoch,
            len(values),
            1.0,
            0.0,
            {name: 100 * abs(value) if name.endswith("agreement") else value for name in DIAGNOSTICS},
        )
        for epoch, value in values.items()
    )


@pytest.fixture
def histories(memory: Any) -> Histories:
    """Both networks' `ban` and the first one's `ban-2`, of a single seed."""
    return {
        memory.id_at("densenet-80-80", "ban", 3): whole_history(GROUND_TRUTH),
        memory.id_at("densenet-80-80", "ban-2", 3): whole_history({1: 0.4, 2: 0.5, 3: 0.6, 4: 0.7}),
        memory.id_at("densenet-80-120", "ban", 3): whole_history({1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4}),
    }


def drawn(plan: Plan, histories: Histories, **options: bool) -> Element:
    svg = diagnostics_svg(plan, histories, **options)
    assert svg is not None
    return ElementTree.fromstring(svg)


def group(root: Element, name: str) -> Element:
    (found,) = [element for element in root.iter(f"{SVG}g") if element.get("id") == name]
    return found


def texts(element: Element) -> list[str]:
    return ["".join(text.itertext()) for text in element.iter(f"{SVG}text")]


def points(line: Element) -> list[tuple[float, float]]:
    """The corners of a line in the picture's coordinates, in which y points down."""
    path = next(line.iter(f"{SVG}path")).get("d", "")
    return [(float(x), float(y)) for x, y in re.findall(r"[ML] (\S+) (\S+)", path)]


def ticks(panel: Element, axis: str) -> Iterator[tuple[float, float]]:
    """Pairs (coordinate, printed value) of an axis' ticks."""
    for tick in panel.iter(f"{SVG}g"):
        if tick.get("id", "").startswith(f"{axis}tick_"):
            mark = next(tick.iter(f"{SVG}use"))
            yield float(mark.get(axis, "nan")), float(texts(tick)[0].replace("−", "-"))


def read_off(panel: Element, axis: str, coordinate: float) -> float:
    """The value at a coordinate, as a reader finds it: between the first and the last printed tick."""
    (start, low), *_, (end, high) = ticks(panel, axis)
    return low + (coordinate - start) / (end - start) * (high - low)


def test_a_line_stands_where_its_values_are(plan: Plan, histories: Histories) -> None:
    root = drawn(plan, histories)
    panel = group(root, "densenet-80-80/ground-truth")
    line = points(group(panel, "densenet-80-80/ban/kd_gradient_ground_truth"))
    read = [(read_off(panel, "x", x), read_off(panel, "y", y)) for x, y in line]
    assert [epoch for epoch, _ in read] == pytest.approx(list(GROUND_TRUTH), abs=1e-3)
    assert [value for _, value in read] == pytest.approx(list(GROUND_TRUTH.values()), abs=1e-4)


def test_sizes_stand_on_a_logarithmic_scale_without_zeros(plan: Plan, memory: Any) -> None:
    sizes = {1: 0.4, 2: 0.0, 3: 0.02, 4: 0.004}
    reports = tuple(EpochReport(e, 4, 1.0, 0.0, {"kd_gradient_ground_truth_size": x}) for e, x in sizes.items())
    panel = group(drawn(plan, {memory.id_at("densenet-80-80", "ban", 3): reports}), "densenet-80-80/sizes")
    line = points(group(panel, "densenet-80-80/ban/kd_gradient_ground_truth_size"))
    (start, low), *_, (end, high) = ticks(panel, "y")
    read = [low * (high / low) ** ((y - start) / (end - start)) for _, y in line]
    assert read == pytest.approx([size for size in sizes.values() if size > 0], rel=1e-4)
    assert {round(math.log10(value) % 1, 3) for _, value in ticks(panel, "y")} <= {0.0, 0.301, 0.699}


def test_each_network_has_its_panels_and_each_student_its_lines(plan: Plan, histories: Histories) -> None:
    root = drawn(plan, histories)
    lines = {
        "sizes": ["kd_gradient_ground_truth_size", "kd_gradient_dark_knowledge_size"],
        "ground-truth": ["kd_gradient_ground_truth"],
        "confidence": ["teacher_confidence_p05", "teacher_confidence_p50", "teacher_confidence_p95"],
        "agreement": ["train_agreement", "validation_agreement"],
    }
    for row, columns in {"densenet-80-80": ["ban", "ban-2"], "densenet-80-120": ["ban"]}.items():
        for key, metrics in lines.items():
            panel = group(root, f"{row}/{key}")
            ids = {element.get("id", "") for element in panel.iter(f"{SVG}g")}
            expected = {f"{row}/{column}/{metric}" for column in columns for metric in metrics}
            assert {one for one in ids if one.startswith(f"{row}/") and one.count("/") == 2} == expected
            assert "epoch" in texts(panel)


def test_axes_and_legends_name_what_they_show(plan: Plan, histories: Histories) -> None:
    root = drawn(plan, histories)
    panel = group(root, "densenet-80-80/agreement")
    assert {"Agreement of teacher and student", "same class (% of samples)"} <= set(texts(panel))
    written = texts(root)
    for name in ("densenet-80-80", "densenet-80-120"):
        assert written.count(name) == 1
    assert written.count("ban, taught by teacher (1 of 3 seeds)") == 2
    assert written.count("ban-2, taught by ban (1 of 3 seeds)") == 1
    # The confidence panel has a legend of its own: the teachers, of which one is a student as well.
    assert {"teacher", "ban"} <= set(texts(group(root, "densenet-80-80/confidence")))


def test_a_metric_that_nobody_recorded_is_said_to_be_missing(plan: Plan, memory: Any) -> None:
    only = (EpochReport(1, 1, 1.0, 0.0, {"train_agreement": 50.0}),)
    root = drawn(plan, {memory.id_at("densenet-80-80", "ban", 3): only})
    said = {key: "not recorded" in texts(group(root, f"densenet-80-80/{key}")) for key in ("sizes", "agreement")}
    assert said == {"sizes": True, "agreement": False}


def test_those_who_cannot_see_it_are_told(plan: Plan, histories: Histories) -> None:
    root = drawn(plan, histories)
    assert root.get("role") == "img"
    named = {element.get("id"): element.text or "" for element in root if element.tag in (f"{SVG}title", f"{SVG}desc")}
    assert root.get("aria-labelledby", "").split() == list(named)
    assert named["title"] == "example: what students see of their teachers"
    assert "Networks: densenet-80-80, densenet-80-120. Students: ban, ban-2." in named["description"]


def test_a_rehearsal_is_marked(plan: Plan, histories: Histories) -> None:
    root = drawn(plan, histories, rehearsal=True)
    assert any(text.startswith("REHEARSAL: ") for text in texts(root))
    assert (root.findtext(f"{SVG}title") or "").startswith("REHEARSAL: ")
    assert not any("REHEARSAL" in text for text in texts(drawn(plan, histories)))


def test_equal_arguments_give_equal_text_whatever_the_users_style(plan: Plan, histories: Histories) -> None:
    first = diagnostics_svg(plan, histories)
    with mpl.rc_context({"svg.hashsalt": "other", "lines.linewidth": 9, "font.size": 20}):
        assert diagnostics_svg(plan, histories) == first
        assert mpl.rcParams["lines.linewidth"] == 9


def test_nothing_recorded_no_picture(plan: Plan, memory: Any) -> None:
    assert diagnostics_svg(plan, {}) is None
    without = (EpochReport(1, 1, 1.0, 0.0, {"test_error": 5.0}),)
    assert diagnostics_svg(plan, {memory.id_at("densenet-80-80", "ban", 3): without}) is None
