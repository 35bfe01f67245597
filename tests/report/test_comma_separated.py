"""CSV, read back with Python's own reader."""

from __future__ import annotations

import csv
import io
from typing import Any

from bansweep.graph.plan import Plan
from bansweep.report.document import comma_separated
from bansweep.report.table import report_table


def test_reads_back_in_full_precision(plan: Plan, memory: Any) -> None:
    table = report_table(plan, memory, paper="table2")
    lines = list(csv.DictReader(io.StringIO(comma_separated(table)), quoting=csv.QUOTE_NONNUMERIC))
    assert len(lines) == len(table.cells) == 7
    for line, cell in zip(lines, table.cells, strict=True):
        known = {name: value for name, value in line.items() if value != ""}
        expected = {"network": cell.row, "column": cell.column, "kind": cell.kind, "mean": cell.mean, "sd": cell.sd}
        expected |= {"paper": cell.paper, "rehearsal": "false"}
        expected |= {f"seed {seed}": value for seed, value in zip(table.seeds, cell.values, strict=True)}
        if cell.mean is not None and cell.paper is not None:
            expected["difference"] = cell.mean - cell.paper
        assert known == {name: value for name, value in expected.items() if value is not None}


def test_text(plan: Plan, memory: Any) -> None:
    lines = comma_separated(report_table(plan, memory, paper="table2")).splitlines()
    fixed = '"network","column","kind","mean","sd","paper","difference","rehearsal"'
    assert lines[0] == f'{fixed},"seed 3","seed 1","seed 2"'
    assert lines[4] == '"densenet-80-80","ens*2","ensemble",50.0,0.0,15.46,34.54,"false",50.0,50.0,""'
    assert lines[6] == '"densenet-80-120","ban","generation","","",16.0,"","false","","",""'


def test_a_rehearsal_says_so_in_every_line_and_has_no_differences(plan: Plan, memory: Any) -> None:
    table = report_table(plan, memory, paper="table2", rehearsal=True)
    lines = list(csv.DictReader(io.StringIO(comma_separated(table))))
    assert [line["rehearsal"] for line in lines] == ["true"] * 7
    assert {line["difference"] for line in lines} == {""}
    assert lines[0]["paper"] == "17.16"
