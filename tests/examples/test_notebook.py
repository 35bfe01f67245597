"""The notebook does what it says, in fewer epochs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from patience import SWEEP_S

ROOT = Path(__file__).parents[2]


@pytest.mark.ray
def test_every_cell_runs(tmp_path: Path, environment: dict[str, str]) -> None:
    text = (ROOT / "examples" / "notebook.py").read_text(encoding="utf-8")
    notebook = tmp_path / "examples" / "notebook.py"
    notebook.parent.mkdir()
    shorter = text.replace('{"seeds": [0, 1]}', '{"seeds": [0, 1], "recipe.epochs": 2, "data.limit": 64}')
    notebook.write_text(shorter.replace("[0, 9, 19, 29]", "[0, 1]"), encoding="utf-8")
    assert notebook.read_text(encoding="utf-8").count('"recipe.epochs": 2') == 1
    (tmp_path / "sweeps").symlink_to(ROOT / "sweeps")
    ended = subprocess.run(
        [sys.executable, str(notebook)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SWEEP_S,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("learns from the labels") == 2
    assert "Test error, %" in ended.stdout
    assert "parameters, test error" in ended.stdout.splitlines()[-1]
