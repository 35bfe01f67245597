"""Assembles the page: every part is made from the source, and a template renders them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bansweep.report.notation import CONFIDENCE_PERCENT, REHEARSAL, figures_text, notes, paper_name, paper_title
from bansweep.report.page.chart import Chart
from bansweep.report.page.cost_section import cost_section
from bansweep.report.page.drawing import drawing
from bansweep.report.page.ensemble_section import ensemble_section
from bansweep.report.page.generation_charts import chain_charts, teacher_scatter
from bansweep.report.page.lineage import lineage, record_views
from bansweep.report.page.source import COMMANDS, DIFFERENCES, PageSource, left_out
from bansweep.report.page.table_section import SIGNS, cell_views, difference_views
from bansweep.report.page.training_charts import diagnostics_charts, training_curves

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class ChartSection:
    """Charts under one heading; `text` explains them, `remark` names omitted ones; `large`: two side by side."""

    key: str
    title: str
    text: str
    charts: tuple[Chart, ...]
    remark: str = ""
    large: bool = False


def report_page(source: PageSource) -> str:
    """One self-contained HTML document, equal for equal sources: it includes styles and pictures and loads nothing.

    Everything that comes from a sweep, a store or a command line is escaped. Of large sweeps the page shows a part (see
    the limits in `source`), and says so.
    """
    template = _environment().get_template("page.html.jinja")
    return template.render(_parts(source))


def _parts(source: PageSource) -> dict[str, Any]:
    """The template's variables."""
    graph, table = lineage(source), source.table
    cells = [(row, column) for row in source.plan.rows for column in _columns_of(source, row)]
    return {
        "table": table,
        "rehearsal": REHEARSAL if table.rehearsal else "",
        "headline": figures_text(table),
        "paper": paper_name(table),
        "paper_title": paper_title(table),
        "confidence": CONFIDENCE_PERCENT,
        "signs": SIGNS,
        "cells": cell_views(source, frozenset(graph.generation_ids)),
        "notes": list(notes(table)),
        "differences": difference_views(table, table.differences[:DIFFERENCES]),
        "baseline_differences": difference_views(table, table.from_baselines[:DIFFERENCES]),
        "differences_left_out": left_out(
            DIFFERENCES, len(table.differences), "differences", "report.json has them all"
        ),
        "chart_sections": _chart_sections(source),
        "ensembles": ensemble_section(source),
        "cost": cost_section(source),
        "lineage": graph,
        "records": record_views(source, graph.generation_ids),
        "commands": source.commands,
        "cell_commands": [(row, column, source.commands.cell(row, column)) for row, column in cells[:COMMANDS]],
        "commands_left_out": left_out(COMMANDS, len(cells), "commands", "the others differ in --only alone"),
        "drawing": drawing,
    }


def _chart_sections(source: PageSource) -> list[ChartSection]:
    """The sections that have charts."""
    scatter = teacher_scatter(source)
    sections = [
        ChartSection(
            "chains",
            "Generation after generation",
            "Each line follows one chain from the network that learns from labels to its last student.",
            *chain_charts(source),
        ),
        ChartSection(
            "curves",
            "Training curves",
            "What the held-out data say after each epoch.",
            *training_curves(source),
        ),
        ChartSection(
            "teachers",
            "Teachers and students",
            "One point for each student: below the diagonal the student is better than its teacher.",
            () if scatter is None else (scatter,),
        ),
        ChartSection(
            "diagnostics",
            "What students see of their teachers",
            "Over the training samples of each epoch, means over seeds (section 3.2 of the paper). q: the student's "
            "probabilities, p: the teacher's, *: the label's class. A teacher's confidence is drawn once, as its first "
            "student saw it.",
            *diagnostics_charts(source),
            large=True,
        ),
    ]
    return [section for section in sections if section.charts]


def _columns_of(source: PageSource, row: str) -> list[str]:
    """The row's columns in the plan's order, ensembles included."""
    there = {cell.column for cell in source.plan.cells if cell.row == row}
    there |= {cell.column for cell in source.plan.ensembles if cell.row == row}
    return [column for column in source.plan.columns if column in there]


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("bansweep.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
