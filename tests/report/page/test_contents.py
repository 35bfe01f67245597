"""What the page says, against figures by hand."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import pytest
from html_document import Element, html_document
from made_up_generation import damage

from bansweep.config.reading import parse_sweep
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import Plan, select
from bansweep.report.page import source as limits
from bansweep.report.page.cost_section import cost_section
from bansweep.report.page.generation_charts import teacher_scatter
from bansweep.report.page.lineage import lineage
from bansweep.report.page.page import report_page
from bansweep.report.page.source import PageSource
from bansweep.report.table import report_table


def page_of(source: PageSource) -> Element:
    return html_document(report_page(source))


def cell_of(page: Element, row: str, column: str) -> Element:
    table = page.by_id("table").all("table")[0]
    place = table.rows()[0].index(column)
    (line,) = (one for one in table.all("tr") if one.all("th", "td")[0].text == row)
    return line.all("th", "td")[place]


def test_a_cell_has_its_figure_its_spread_the_papers_and_a_sign(plan: Plan, memory: Any, source: PageSource) -> None:
    # Errors of densenet-80-80 as in `memory`: 18.0, 17.5 and 17.0 of the teacher, beside 17.16 in the paper.
    table = report_table(plan, memory, paper="table2")
    page = page_of(replace(source, table=table))
    assert cell_of(page, "densenet-80-80", "teacher").text == "17.50 ± 0.50 paper 17.16 ≈ +0.34 within seed noise"
    # Two seeds of 50 % each have no spread: whatever differs is beyond it.
    assert cell_of(page, "densenet-80-80", "ens*2").text.endswith("▲ +34.54 worse, beyond seed noise")
    assert cell_of(page, "densenet-80-120", "teacher").text == "16.88 paper 16.87 +0.00"
    assert cell_of(page, "densenet-80-120", "ban-2").text == ""


def test_figures_link_to_their_records(source: PageSource) -> None:
    page = page_of(source)
    (link,) = cell_of(page, "densenet-80-80", "ban").all("a")
    record = page.by_id(link.attributes["href"].removeprefix("#"))
    assert record.all("h3")[0].text.startswith("densenet-80-80 / ban (seed 3)")


def test_a_record_has_what_it_is_and_where(source: PageSource) -> None:
    page = page_of(source)
    generation_id = next(one for one, cells in source.plan.cells_of.items() if cells[0].column == "ban-2")
    record = page.by_id(f"g-{generation_id}")
    facts = dict(zip([one.text for one in record.all("dt")], [one.text for one in record.all("dd")], strict=True))
    teacher = source.plan.generations[generation_id].teacher
    assert facts["taught by"].endswith(str(teacher))
    assert record.all("a")[0].attributes["href"] == f"#g-{teacher}"
    assert facts["test error"].endswith(" %")
    assert "learning rate" not in facts
    assert facts["network"] == "densenet-80-80, 22,400,000 parameters"
    assert facts["trained"] == "10 min on NVIDIA H200, 1970-01-01 00:00 UTC"
    assert facts["in the store"] == f"store/generations/{generation_id}/"
    assert facts["command"] == f"bansweep show {generation_id} --store store"


def test_every_cell_has_a_command_that_selects_it(source: PageSource) -> None:
    table = page_of(source).by_id("reproduce").all("table")[0]
    lines = table.rows()[1:]
    assert [line[:2] for line in lines] == [
        *([["densenet-80-80", column] for column in ("teacher", "ban", "ban-2", "ens*2")]),
        *([["densenet-80-120", column] for column in ("teacher", "ban", "ens*2")]),
    ]
    for row, column, command in lines:
        words = shlex.split(command)
        assert words[:3] == ["bansweep", "run", "my sweep.yaml"]
        assert words[words.index("--set") + 1] == "recipe.epochs=5"
        part = select(source.plan, [words[words.index("--only") + 1]])
        places = {(cell.row, cell.column) for cell in (*part.cells, *part.ensembles)}
        assert (row, column) in places
        assert {one for one, _ in places} == {row}


def test_costs_and_what_sharing_saved(source: PageSource) -> None:
    # A chain of 10 minutes each: 3 seeds of (1 + 2 + 3) and (1 + 2) in the cells; the ensemble of ban and ban-2 takes
    # three trainings unshared, that of teacher and ban two. 15 are trained: 1 - 15 / (27 + 15).
    cost = cost_section(replace(source, device_hours=dict.fromkeys(source.plan.generations, 0.5) | {"gone": 99.0}))
    assert (cost.finished, cost.planned, cost.places) == (15, 15, 21)
    assert (cost.trained, cost.unshared, cost.saved) == ("2 h 30 min", "7 h", "64 %")
    assert cost.held == "7 h 30 min"
    assert cost.by_device == (("NVIDIA H200", 15, "2 h 30 min"),)
    assert cost.by_row == (("densenet-80-80", 9, "1 h 30 min"), ("densenet-80-120", 6, "1 h"))


def test_a_point_for_each_student(source: PageSource) -> None:
    chart = teacher_scatter(source)
    assert chart is not None
    assert [one.name for one in chart.series] == ["ban", "ban-2"]
    assert [len(one.points) for one in chart.series] == [6, 3]
    assert len(chart.table.rows) == 9
    student = next(one for one, cells in source.plan.cells_of.items() if cells[0].column == "ban")
    teacher = source.plan.generations[student].teacher
    point = chart.series[0].points[0]
    assert (point.x, point.y) == (source.figure(str(teacher)), source.figure(student))


def test_a_student_without_its_teacher_is_no_point(plan: Plan, make_source: Any) -> None:
    assert teacher_scatter(make_source(plan, columns=("ban",))) is None


def test_the_lineage_has_a_tree_for_each_network_and_seed(source: PageSource) -> None:
    graph = lineage(source)
    assert [(tree.row, tree.seed) for tree in graph.first] == [("densenet-80-80", 3), ("densenet-80-120", 3)]
    assert [tree.seed for tree in graph.others] == [1, 1, 2, 2]
    names = [(node.name, teacher and teacher.name) for node, teacher in graph.first[0].pairs]
    assert names == [("teacher", None), ("ban", "teacher"), ("ban-2", "ban")]
    assert set(graph.generation_ids) == set(source.plan.generations)


def test_damage_is_told_and_costs_the_rest_nothing(source: PageSource) -> None:
    generation_id = next(one for one, cells in source.plan.cells_of.items() if cells[0].column == "ban-2")
    damage(source.store.directory / "generations" / generation_id / "history.parquet")
    other = next(one for one, cells in source.plan.cells_of.items() if cells[0].row == "densenet-80-120")
    damage(source.store.directory / "generations" / other / "generation.json")
    table = report_table(source.plan, source.store, paper="table2")
    page = page_of(PageSource(table, source.plan, source.store, source.commands))
    assert "generation.json is damaged" in page.by_id("table").text
    assert page.by_id(f"g-{other}").text.count("Not finished.") == 1
    assert "Finished" not in page.by_id("curves").text
    assert len(page.by_id("curves").all("figure")) == 2


def test_language_models_show_what_the_test_text_says(text_plan: Plan, text_memory: Any, make_source: Any) -> None:
    source = replace(make_source(text_plan, columns=()), table=report_table(text_plan, text_memory, paper="table6"))
    page = page_of(source)
    assert page.by_id("table").all("table")[0].rows()[0] == [
        *("network", "teacher_val", "ban_val", "ens*2_val", "teacher_test", "ban_test", "ens*2_test")
    ]
    (figure,) = page.by_id("chains").all("figure")
    assert figure.all("table")[0].rows() == [
        ["generation", "to ban"],
        ["0", "teacher: 4.00"],
        ["1", "ban: 2.00"],
    ]


@pytest.fixture
def large() -> Plan:
    """3,030 generations: 15 networks with a hundred students each, two seeds."""
    students = "\n".join(f"  ban-{number}: {{loss: kd, teacher: teacher, seed: {number}}}" for number in range(100))
    networks = ", ".join(f"wrn-10-{number}" for number in range(1, 16))
    sweep = (
        f"name: large\ndata: digits\nrecipe: wide-resnet\nseeds: [0, 1]\nnetworks: [{networks}]\n"
        f"generations:\n  teacher: {{loss: labels}}\n{students}\n"
    )
    return expand(parse_sweep(sweep), DataIdentity(kind="digits", fingerprint="f"))


def test_of_a_large_sweep_a_part_is_shown_and_that_is_said(large: Plan, make_source: Any) -> None:
    source = make_source(large, columns=("teacher", "ban-0", "ban-1"), paper=None)
    text = report_page(source)
    page = html_document(text)
    assert len(text) < 4_000_000
    assert len(page.by_id("lineage").all("a")) / 2 == limits.GENERATIONS
    assert f"{limits.GENERATIONS} of 3,030 places of generations are shown" in page.by_id("lineage").text
    assert len(page.all("article")) == limits.GENERATIONS
    assert f"{limits.COMMANDS} of 1,515 commands are shown" in page.by_id("reproduce").text
    assert len(page.by_id("chains").all("figure")) == limits.CHARTS
    assert f"{limits.CHARTS} of 15 networks are shown" in page.by_id("chains").text
    assert f"{limits.LINES} of 100 chains are shown" in page.by_id("chains").text
