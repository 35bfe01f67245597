"""The bounds of dependencies, and the oldest versions in an environment of their own, with Python 3.12.

    pytest tests/test_lower_bounds.py -m slow

Needs `python3.12` on the PATH and a package index.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = Path(__file__).parents[1]
TESTED = [
    f"tests/{package}"
    for package in (
        *("training", "losses", "networks", "data", "config", "graph", "scheduling", "store"),
        *("cli", "compare", "report", "tracking", "export"),
    )
]
LIMIT_S = 3600


def test_what_runs_at_the_lower_bounds_is_there() -> None:
    assert [folder for folder in TESTED if not (PROJECT / folder).is_dir()] == []


def requirements(of: str) -> list[Requirement]:
    """What the package with its extras for users requires, or what its tools are."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = settings["project"]["optional-dependencies"]
    tools = [*extras.pop("dev"), *settings["build-system"]["requires"]]
    texts = tools if of == "tools" else [*settings["project"]["dependencies"], *chain(*extras.values())]
    return [one for text in texts if (one := Requirement(text)).name != "bansweep"]


def pins() -> dict[str, set[Version]]:
    """The versions in constraints.txt, of which there may be one for each of several Pythons."""
    found: dict[str, set[Version]] = {}
    for line in (PROJECT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([\w.-]+)==([\w.]+)", line):
            found.setdefault(canonicalize_name(match[1]), set()).add(Version(match[2]))
    return found


def lower_bounds() -> list[str]:
    """`torch==2.11`, and so on, for everything that the package and its extras for users require."""
    oldest = ((one.name, [part for part in one.specifier if part.operator == ">="]) for one in requirements("package"))
    return [f"{name}=={part.version}" for name, (part,) in oldest]


@pytest.mark.parametrize("of", ["package", "tools"])
def test_dependencies_have_lower_bounds_and_no_pins(of: str) -> None:
    found = {str(one): {part.operator for part in one.specifier} for one in requirements(of)}
    assert len(found) > 8
    assert {one: operators for one, operators in found.items() if operators not in ({">="}, {">=", "<"})} == {}


def test_dependencies_whose_inner_workings_matter_have_upper_bounds() -> None:
    bounded = {one.name for one in requirements("package") if any(part.operator == "<" for part in one.specifier)}
    assert bounded == {"ray", "torch", "torchvision", "mlflow"}


@pytest.mark.parametrize("of", ["package", "tools"])
def test_constraints_pin_every_dependency_within_its_bounds(of: str) -> None:
    pinned = pins()
    outside = {
        str(one): pinned.get(canonicalize_name(one.name))
        for one in requirements(of)
        if not (versions := pinned.get(canonicalize_name(one.name)))
        or not all(version in one.specifier for version in versions)
    }
    assert outside == {}


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


@pytest.mark.slow
@pytest.mark.timeout(2 * LIMIT_S)
def test_the_oldest_versions_pass_with_python_3_12(tmp_path: Path) -> None:
    python = shutil.which("python3.12")
    if python is None or subprocess.run([python, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("there is no python3.12 on this machine")
    tools = {canonicalize_name(one.name) for one in requirements("tools")}
    pinned = [f"{name}=={version}" for name, versions in pins().items() if name in tools for version in versions]
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join([*lower_bounds(), *pinned]))
    run(python, "-m", "venv", tmp_path / "env")
    own = tmp_path / "env" / "bin" / "python"
    run(own, "-m", "pip", "install", "-q", "-c", constraints, "-e", ".[dev]")
    run(own, "-c", "import torch; assert torch.__version__.startswith('2.11.'), torch.__version__")
    # Old versions warn of newer ones that they use. anyio's plugin for pytest does so before pytest reads its settings.
    quietly = ("-W", "ignore", "-p", "no:anyio")
    run(own, "-m", "pytest", "-q", *quietly, "-m", "not ray and not slow", *TESTED)
    store = tmp_path / "store"
    run(own, "-m", "bansweep", "run", "sweeps/quickstart.yaml", "--rehearse", "--store", store)
