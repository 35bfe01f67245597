"""Reports of language models: two columns for one of the sweep's, perplexities, and the paper's table 6 beside them."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from typing import Any

import pytest
from rich.console import Console

from bansweep.errors import StoreError
from bansweep.graph.plan import Plan
from bansweep.report.document import Outcome, comma_separated, report_document
from bansweep.report.markdown import markdown
from bansweep.report.paper_figures import paper_figure
from bansweep.report.table import ReportTable, report_table
from bansweep.report.terminal import TerminalReport

COLUMNS = ("teacher_val", "ban_val", "ens*2_val", "teacher_test", "ban_test", "ens*2_test")

# Teacher and student together: (1/2 + 1/16) / 2 and (1/8 + 1) / 2 are 9/32 and 9/16, 81/512 together and so 2.51 a
# token; in the test text (1/4 + 1/2) / 2 = 3/8.
GOLDEN = r"""# text

Perplexity: one seed (0); in brackets the paper's (table 6) and ours minus the paper's, in perplexity.

Paper: Penn Tree Bank: recurrent language models, validation and test.

| network  |         teacher\_val |             ban\_val | ens\*2\_val | \
       teacher\_test |            ban\_test | ens\*2\_test |
| -------- | -------------------: | -------------------: | ----------: | \
-------------------: | -------------------: | -----------: |
| cnn-lstm | 80.00 (83.69, -3.69) |            – (80.27) |           – | \
80.00 (80.05, -0.05) |            – (76.97) |            – |
| lstm     | 4.00 (75.11, -71.11) | 4.00 (71.19, -67.19) |        2.51 | \
4.00 (71.87, -67.87) | 2.00 (68.56, -66.56) |         2.67 |

- –: not finished (4 of 12 cells)

## Student minus teacher

Perplexity, negative where the student is better. A single seed gives no interval: nothing here says what another \
seed would have done.

| network  | ban\_val − teacher\_val | ban\_test − teacher\_test |
| -------- | ----------------------: | ------------------------: |
| cnn-lstm |                       – |                         – |
| lstm     |                   +0.00 |                     -2.00 |
""".replace("\\\n", "")


@pytest.fixture
def table(text_plan: Plan, text_memory: Any) -> ReportTable:
    return report_table(text_plan, text_memory, paper="table6")


def test_golden_markdown(table: ReportTable) -> None:
    assert markdown(table) == GOLDEN


def test_every_column_is_there_for_validation_then_for_test(table: ReportTable) -> None:
    assert table.columns == COLUMNS
    assert [(cell.row, cell.column) for cell in table.cells] == [
        (row, column) for row in ("cnn-lstm", "lstm") for column in COLUMNS
    ]
    kinds = {cell.column: cell.kind for cell in table.cells}
    assert [column for column in COLUMNS if kinds[column] == "ensemble"] == ["ens*2_val", "ens*2_test"]


def test_ensembles_by_hand(table: ReportTable) -> None:
    figures = {cell.column: cell.mean for cell in table.cells if cell.row == "lstm" and cell.kind == "ensemble"}
    assert figures == pytest.approx({"ens*2_val": (81 / 512) ** -0.5, "ens*2_test": 8 / 3})


def test_the_papers_figures_stand_in_their_places(table: ReportTable) -> None:
    shown = {(cell.row, cell.column): cell.paper for cell in table.cells if cell.paper is not None}
    assert shown == {
        ("cnn-lstm", "teacher_val"): 83.69,
        ("cnn-lstm", "ban_val"): 80.27,
        ("cnn-lstm", "teacher_test"): 80.05,
        ("cnn-lstm", "ban_test"): 76.97,
        ("lstm", "teacher_val"): 75.11,
        ("lstm", "ban_val"): 71.19,
        ("lstm", "teacher_test"): 71.87,
        ("lstm", "ban_test"): 68.56,
    }


def test_an_error_never_stands_beside_a_perplexity(text_plan: Plan, text_memory: Any) -> None:
    """Even where a table of test errors has a row and a column of these names."""
    assert paper_figure("table1", "wrn-28-1", "ban") is not None
    table = report_table(text_plan, text_memory, paper="table1")
    assert {cell.paper for cell in table.cells} == {None}
    renamed = dataclasses.replace(
        text_plan,
        rows=("wrn-28-1",),
        cells=tuple(dataclasses.replace(cell, row="wrn-28-1") for cell in text_plan.cells if cell.row == "lstm"),
        ensembles=(),
    )
    found = report_table(renamed, text_memory, paper="table1").cells
    assert [cell.mean for cell in found] == pytest.approx([4.0, 4.0, 4.0, 2.0])
    assert {cell.paper for cell in found} == {None}


def test_students_are_compared_with_their_teachers_on_the_same_split(table: ReportTable) -> None:
    assert [(one.row, one.column, one.reference, one.paired.mean) for one in table.differences] == [
        ("cnn-lstm", "ban_val", "teacher_val", None),
        ("cnn-lstm", "ban_test", "teacher_test", None),
        ("lstm", "ban_val", "teacher_val", pytest.approx(0.0)),
        ("lstm", "ban_test", "teacher_test", pytest.approx(-2.0)),
    ]


def test_the_document_and_the_csv_say_the_same(text_plan: Plan, table: ReportTable) -> None:
    document = report_document(text_plan, table, Outcome())
    assert document["metric"] == "perplexity"
    lines = list(csv.DictReader(io.StringIO(comma_separated(table))))
    assert [line["column"] for line in lines] == [cell["column"] for cell in document["cells"]] == [*COLUMNS, *COLUMNS]
    for line, cell in zip(lines, document["cells"], strict=True):
        assert line["mean"] == ("" if cell["mean"] is None else str(cell["mean"]))
        assert line["difference"] == ("" if cell["difference"] is None else str(cell["difference"]))


def test_an_infinite_perplexity_is_reported(text_plan: Plan, text_memory: Any) -> None:
    student = text_memory.id_at("lstm", "ban", 0)
    metrics = {**text_memory.records[student].metrics, "test_perplexity": math.inf}
    text_memory.records[student] = dataclasses.replace(text_memory.records[student], metrics=metrics)
    table = report_table(text_plan, text_memory, paper="table6")
    assert "inf (68.56, +inf)" in markdown(table)
    document = json.loads(json.dumps(report_document(text_plan, table, Outcome()), allow_nan=False))
    (cell,) = (cell for cell in document["cells"] if (cell["row"], cell["column"]) == ("lstm", "ban_test"))
    assert (cell["values"], cell["mean"], cell["sd"]) == (["Infinity"], "Infinity", None)
    (difference,) = (one for one in document["differences"] if (one["row"], one["column"]) == ("lstm", "ban_test"))
    assert (difference["teacher"], difference["values"], difference["n"]) == ("teacher_test", ["Infinity"], 1)
    assert (difference["interval"], difference["within_noise"]) == (None, None)


def test_the_terminal_shows_the_metric_and_all_columns(table: ReportTable) -> None:
    console = Console(width=100, record=True, file=io.StringIO(), color_system=None)
    console.print(TerminalReport(table))
    text = console.export_text()
    assert "Perplexity: one seed (0)" in text
    assert "%" not in text
    for column in COLUMNS:
        assert column in text


def test_a_record_without_its_perplexity_names_its_generation(text_plan: Plan, text_memory: Any) -> None:
    teacher = text_memory.id_at("lstm", "teacher", 0)
    text_memory.records[teacher] = dataclasses.replace(text_memory.records[teacher], metrics={"test_perplexity": 9.0})
    with pytest.raises(StoreError, match="has no 'validation_perplexity'") as caught:
        report_table(text_plan, text_memory, paper=None)
    assert teacher in caught.value.cause


def test_members_of_different_texts_are_refused(text_plan: Plan, text_memory: Any) -> None:
    text_memory.put_text("lstm", "ban", 0, validation=(1 / 2,), test=(1 / 2,))
    with pytest.raises(StoreError, match="predict different texts"):
        report_table(text_plan, text_memory, paper=None)


def test_predictions_of_images_are_refused(text_plan: Plan, text_memory: Any) -> None:
    student = text_memory.id_at("lstm", "ban", 0)
    perplexities = text_memory.records[student]
    text_memory.put("lstm", "ban", 0, 5.0)
    text_memory.records[student] = perplexities
    with pytest.raises(StoreError, match="are Predictions, not TokenPredictions"):
        report_table(text_plan, text_memory, paper=None)
