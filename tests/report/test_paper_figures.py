"""The paper's figures against an independent transcription of its tables, and what the module may import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bansweep.config.consistency import PAPER_TABLES
from bansweep.errors import RequestError
from bansweep.report.paper_figures import paper_figure, paper_table

SHARED = Path(os.environ.get("BANSWEEP_SHARED", Path(__file__).parents[2].parent / "shared"))


@pytest.fixture(scope="module")
def printed() -> dict[str, Any]:
    path = SHARED / "paper" / "tables.yaml"
    if not path.exists():
        pytest.skip(f"no transcription of the paper's tables at {path}")
    tables: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {**tables, "table4": as_swept(tables["table4"])}


def as_swept(table4: dict[str, Any]) -> dict[str, Any]:
    """Table 4 as a sweep has it: the printed row `teacher` becomes the teacher of each row, its 22.4 M nobody's."""
    assert table4["columns"] == ["params_M", "test_error"]
    rows = dict(table4["rows"])
    _, teacher_error = rows.pop("teacher")
    return {
        **table4,
        "columns": ["params_M", "teacher", "ban"],
        "rows": {row: [params, teacher_error, test_error] for row, (params, test_error) in rows.items()},
    }


def test_every_figure_is_the_printed_one(printed: dict[str, Any]) -> None:
    compared = 0
    assert tuple(printed) == PAPER_TABLES
    for name, table in printed.items():
        ours = paper_table(name)
        assert ours.metric == table["metric"]
        assert list(ours.columns) == table["columns"]
        assert list(ours.rows) == list(table["rows"])
        for row, figures in table["rows"].items():
            assert len(figures) == len(ours.rows[row]) == len(ours.columns)
            for column, figure in zip(table["columns"], figures, strict=True):
                assert paper_figure(name, row, column) == figure, (name, row, column)
                compared += 1
    assert compared == sum(len(t["columns"]) * len(t["rows"]) for t in printed.values()) == 128


@pytest.mark.parametrize(
    ("place", "figure"),
    [
        (("table1", "wrn-28-10", "ban"), 3.86),
        (("table2", "densenet-80-120", "ban-2"), 16.13),
        (("table2", "densenet-80-120", "ban-3"), None),
        (("table3", "wrn-28-1", "densenet-90-60"), 24.93),
        (("table4", "depth*0.5", "teacher"), 17.69),
        (("table4", "compr*1.5", "teacher"), 17.69),
        (("table4", "depth*2", "ban"), 16.43),
        (("table4", "teacher", "ban"), None),
        (("table6", "lstm", "ban_test"), 68.56),
        (("table2", "wrn-10-1", "ban"), None),
        (("table2", "densenet-80-80", "ban-9"), None),
    ],
)
def test_looks_figures_up(place: tuple[str, str, str], figure: float | None) -> None:
    assert paper_figure(*place) == figure


def test_an_unknown_table_is_a_wrong_request() -> None:
    with pytest.raises(RequestError, match="no table 'tabel2'") as caught:
        paper_figure("tabel2", "densenet-80-80", "ban")
    assert "'table2'" in caught.value.remedy


def test_names_come_without_heavy_packages() -> None:
    heavy = ("numpy", "torch", "ray", "mlflow", "pyarrow", "sklearn")
    code = f"import sys, bansweep.report.paper_figures; print([n for n in {heavy!r} if n in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_the_report_needs_no_training_stack() -> None:
    heavy = ("torch", "ray", "mlflow", "pyarrow", "sklearn", "matplotlib")
    modules = sorted(
        path.stem for path in Path(sys.modules[paper_figure.__module__].__file__ or "").parent.glob("*.py")
    )
    imports = ", ".join(f"bansweep.report.{name}" for name in modules if name != "__init__")
    code = f"import sys, {imports}; print([n for n in {heavy!r} if n in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
