"""The oldest supported versions of PyTorch, with Python 3.12, in an environment of their own.

    pytest tests/test_lower_bounds.py -m slow

Needs `python3.12` on the PATH and a package index.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
TESTED = ("tests/training", "tests/losses", "tests/networks", "tests/data", "tests/spec", "tests/plan", "tests/store")
# What torch pins for itself, differently in each of its versions.
OF_TORCH = re.compile(r"(torch|torchvision|triton|setuptools|nvidia-.*|cuda-.*)==")
LIMIT_S = 3600


def lower_bounds() -> list[str]:
    """`torch==2.11` for each dependency that pyproject.toml gives a range."""
    dependencies = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    ranges = [match for one in dependencies if (match := re.match(r"([\w-]+)>=([\d.]+)", one))]
    return [f"{match[1]}=={match[2]}" for match in ranges]


def run(*command: object) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def test_ranges_are_found() -> None:
    assert [one.partition("==")[0] for one in lower_bounds()] == ["torch", "torchvision"]


@pytest.mark.slow
@pytest.mark.timeout(2 * LIMIT_S)
def test_the_oldest_torch_passes_with_python_3_12(tmp_path: Path) -> None:
    python = shutil.which("python3.12")
    if python is None or subprocess.run([python, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("there is no python3.12 on this machine")
    pinned = (PROJECT / "constraints.txt").read_text().splitlines(keepends=True)
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("".join(line for line in pinned if not OF_TORCH.match(line)))
    run(python, "-m", "venv", tmp_path / "env")
    own = tmp_path / "env" / "bin" / "python"
    run(own, "-m", "pip", "install", "-q", "-c", constraints, "-e", ".[dev]", *lower_bounds())
    run(own, "-c", "import torch; assert torch.__version__.startswith('2.11.'), torch.__version__")
    run(own, "-m", "pytest", "-q", "-m", "not ray and not slow", *TESTED)
    store = tmp_path / "store"
    run(own, "-m", "bansweep", "run", "sweeps/quickstart.yaml", "--rehearse", "--store", store)
