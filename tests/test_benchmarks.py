"""`benchmarks/gpu.py` runs, agrees with the CPU, and needs few packages: a rented GPU machine may have no others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from patience import PROCESS_S

GPU = Path(__file__).parents[1] / "benchmarks" / "gpu.py"
# What the project depends on but for torch, numpy, safetensors and pydantic, and what these need themselves.
MISSING = (
    *("ray", "torchvision", "mlflow", "optuna", "pyarrow", "PIL", "sklearn", "yaml", "typer", "rich", "scipy"),
    *("matplotlib", "pandas"),
)
WITHOUT_THEM = (
    f"import runpy, sys; sys.modules.update(dict.fromkeys({MISSING!r})); "
    "script = sys.argv.pop(1); sys.argv[0] = script; sys.path.insert(0, script.rpartition('/')[0]); "
    "runpy.run_path(script, run_name='__main__')"
)


def gpu(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_THEM, str(GPU), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PROCESS_S, check=False)


def test_the_gpu_benchmark_needs_few_packages_and_keeps_its_evidence(tmp_path: Path) -> None:
    evidence = tmp_path / "gpu.jsonl"
    sections = ("environment", "agreement", "saving")
    done = gpu("--small", "--device", "cpu", "--out", str(evidence), "--only", *sections)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in evidence.read_text().splitlines()]
    assert [row["section"] for row in rows if row["section"] != "agreement"] == ["environment", "saving"]
    agreement = [row for row in rows if row["section"] == "agreement"]
    assert {row["loss"] for row in agreement if row["data"] == "images"} == {
        *("labels", "kd", "kd+labels", "cwtm", "dkpp", "kd+activations")
    }
    assert all(row["from_cpu"] == 0 and row["agrees"] for row in agreement)
    assert all(row["same_bits_again"] and row["same_bits_resumed"] for row in agreement)
    table = gpu("--table", str(evidence))
    assert table.returncode == 0, table.stderr
    assert "| images | labels | 0 | yes |" in table.stdout


def test_a_machine_without_a_gpu_is_told_so() -> None:
    done = gpu("--device", "cuda:99", "--small")
    assert done.returncode == 2
    assert "error: cuda" in done.stderr
    assert "Traceback" not in done.stderr


def test_evidence_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    evidence = tmp_path / "gpu.jsonl"
    evidence.mkdir()
    done = gpu("--small", "--device", "cpu", "--out", str(evidence), "--only", "environment")
    assert done.returncode == 2
    assert str(evidence) in done.stderr
    assert "Traceback" not in done.stderr
