"""The page as a document: well formed, whole in itself, and readable by those who cannot see it."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from html_document import Element, html_document
from made_up_generation import publish_made_up

from bansweep.graph.plan import Plan
from bansweep.report.page.page import report_page
from bansweep.report.page.source import Commands, PageSource


@pytest.fixture
def text(source: PageSource) -> str:
    return report_page(source)


@pytest.fixture
def page(text: str) -> Element:
    return html_document(text)


def test_ids_are_unique_and_every_link_leads_somewhere(page: Element) -> None:
    ids = [element.attributes["id"] for element in page.every() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    links = [element.attributes["href"] for element in page.all("a")]
    assert len(links) > 30
    assert {link for link in links if not link.startswith("#")} == set()
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_it_loads_nothing_and_runs_nothing(text: str, page: Element) -> None:
    assert not page.all("script", "iframe", "object", "embed", "img")
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert "url(" not in text
    assert {element.attributes["href"] for element in page.all("link")} == {"data:,"}


def test_each_picture_has_a_name_and_a_table_of_its_figures(page: Element) -> None:
    ids = {element.attributes["id"]: element for element in page.every() if "id" in element.attributes}
    named = [svg for svg in page.all("svg") if svg.attributes.get("aria-hidden") != "true"]
    assert len(named) > 10
    for svg in named:
        assert svg.attributes["role"] in ("img", "group")
        for name in svg.attributes["aria-labelledby"].split():
            assert len(ids[name].text) > 5
    for figure in page.all("figure"):
        (table,) = figure.all("table")
        assert len(table.rows()) > 1
        assert figure.all("figcaption")[0].text


def test_tables_have_captions_and_headings(page: Element) -> None:
    tables = page.all("table")
    assert tables
    for table in tables:
        assert table.all("caption")[0].text
        assert all(heading.attributes["scope"] in ("col", "row") for heading in table.all("th"))
        lengths = {len(row) for row in table.rows()}
        assert len(lengths) == 1, table.all("caption")[0].text


def test_what_scrolls_can_be_scrolled_by_keyboard(page: Element) -> None:
    wide = [element for element in page.every() if "wide" in element.attributes.get("class", "").split()]
    assert wide
    for element in wide:
        assert element.attributes["tabindex"] == "0"
        assert element.attributes["role"] == "region"
        assert element.attributes["aria-label"]
    for table in page.all("table"):
        assert table.parent is not None
        assert table.parent in wide


def test_headings_skip_no_level(page: Element) -> None:
    levels = [int(heading.tag[1]) for heading in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_lines_are_told_apart_without_colour(page: Element) -> None:
    figures = page.all("figure")
    assert figures
    for figure in figures:
        legend = [element for element in figure.all("ul") if element.attributes["class"] == "legend"]
        looks = []
        for entry in legend[0].all("li"):
            *line, marker = entry.all("path")
            looks.append((marker.attributes["d"], line[0].attributes["stroke-dasharray"] if line else None))
        assert len(looks) == len(set(looks))


def test_what_others_wrote_is_escaped(plan: Plan, make_source: Any) -> None:
    source = make_source(plan, columns=("ban", "ban-2"))
    evil = "</style><script>alert('&')</script>"
    generation_id = next(one for one, cells in plan.cells_of.items() if cells[0].column == "teacher")
    publish_made_up(
        source.store, plan.generations[generation_id], metrics={"test_error": 17.0, evil: 1.0}, device=evil, label=evil
    )
    commands = Commands(f"{evil}.yaml", evil, evil, ["--set", evil])
    table = replace(source.table, remarks=(evil,))
    page = html_document(report_page(replace(source, commands=commands, table=table)))
    assert not page.all("script")
    for section in ("table", "cost", "records"):
        assert evil in page.by_id(section).text
    assert shlex.split(page.by_id("reproduce").all("pre")[0].text) == [
        *("bansweep", "run", f"{evil}.yaml", "--store", "another-store", "--set", evil)
    ]


def test_equal_sources_make_equal_pages(source: PageSource, text: str) -> None:
    again = PageSource(source.table, source.plan, source.store, source.commands)
    assert report_page(again) == text


def test_nothing_is_finished_yet(plan: Plan, make_source: Any) -> None:
    page = html_document(report_page(make_source(plan, columns=())))
    assert not page.all("figure")
    assert page.by_id("cost").text.startswith("Cost 0 of 15 generations are finished; training them took 0 s")
    assert "not finished (7 of 7 cells)" in page.by_id("table").text
    assert page.by_id("records").text.count("Not finished.") == 15


def test_a_rehearsal_says_so_first(plan: Plan, make_source: Any) -> None:
    page = html_document(report_page(make_source(plan, rehearsal=True)))
    assert page.all("p")[0].text.startswith("REHEARSAL: very little data")
    assert not re.search("▼|▲|≈", page.by_id("table").text)


def test_both_colour_schemes_define_the_same_colours(text: str) -> None:
    light, dark = (set(re.findall(r"--([a-z0-9-]+):", part)) for part in text.split("prefers-color-scheme: dark")[:2])
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", text))
    assert used == light == dark
