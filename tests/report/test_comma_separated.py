"""CSV, read back with Python's own reader."""

from __future__ import annotations

import csv
import io
from typing import Any

from bansweep.plan.plan import Plan
from bansweep.report.comma_separated import comma_separated
from bansweep.report.table import report_table


def test_reads_back_in_full_precision(plan: Plan, memory: Any) -> None:
    table = report_table(plan, memory, paper="table2")
    lines = list(csv.DictReader(io.StringIO(comma_separated(table)), quoting=csv.QUOTE_NONNUMERIC))
    assert len(lines) == len(table.cells) == 7
    for line, cell in zip(lines, table.cells, strict=True):
        known = {name: value for name, value in line.items() if value != ""}
        expected = {"network": cell.row, "column": cell.column, "kind": cell.kind, "mean": cell.mean, "sd": cell.sd}
        expected |= {"paper": cell.paper} | {
            f"seed {seed}": value for seed, value in zip(table.seeds, cell.values, strict=True)
        }
        assert known == {name: value for name, value in expected.items() if value is not None}


def test_text(plan: Plan, memory: Any) -> None:
    lines = comma_separated(report_table(plan, memory, paper="table2")).splitlines()
    assert lines[0] == '"network","column","kind","mean","sd","paper","seed 3","seed 1","seed 2"'
    assert lines[4] == '"densenet-80-80","ens*2","ensemble",50.0,0.0,15.46,50.0,50.0,""'
    assert lines[5] == '"densenet-80-120","teacher","generation",16.875,"",16.87,16.875,"",""'
