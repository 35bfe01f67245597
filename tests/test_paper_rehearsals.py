"""Every cell of the paper's tables, from the sweep file to the report, on real CIFAR pixels and Penn Tree Bank words.

Slow: about ten minutes on two cores. By name: pytest -m slow tests/test_paper_rehearsals.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from demo_sweep import Command, ended

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("BANSWEEP_SHARED", ROOT.parent / "shared"))
TABLES = {"table1": 16, "table2": 31, "table3": 12, "table4": 8, "table5": 14, "table6": 4}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("table", TABLES)
def test_a_table_rehearses_from_start_to_report(table: str, store: Path, start: Command) -> None:
    if not (SHARED / "data").is_dir():
        pytest.skip(f"no data sets at {SHARED / 'data'}")
    sweep = ROOT / "sweeps" / f"{table}.yaml"
    arguments = [sweep, "--rehearse", "--store", store, "--set", f"data.root={SHARED / 'data'}", "--json"]
    out, _ = ended(start("run", *arguments))
    document = json.loads(out)
    assert not document["failed"]
    assert len(document["trained"]) + len(document["reused"]) == TABLES[table]
    # Tables 4 and 5 find their teacher where table 2 has left it.
    assert len(document["reused"]) == (1 if table in ("table4", "table5") else 0)
    assert all(cell["mean"] is not None for cell in document["cells"])
