"""Every file in sweeps/ is valid, plans, and says in its header how to run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bansweep.plan.expand import expand
from bansweep.plan.generation import DataIdentity
from bansweep.spec.reading import read_sweep

SWEEPS = sorted((Path(__file__).parent.parent / "sweeps").rglob("*.yaml"))


def test_there_are_sweeps() -> None:
    assert {"quickstart.yaml", "cifar10-small.yaml"} <= {path.name for path in SWEEPS}


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.name)
def test_sweep_file(path: Path) -> None:
    sweep = read_sweep(path)
    assert sweep.name == path.stem
    plan = expand(sweep, DataIdentity(kind=sweep.data.kind, fingerprint="x"))
    assert plan.generations
    assert f"bansweep run sweeps/{path.name}" in path.read_text(encoding="utf-8")


def test_quickstart_has_seven_columns_and_six_generations() -> None:
    (path,) = (path for path in SWEEPS if path.name == "quickstart.yaml")
    plan = expand(read_sweep(path), DataIdentity(kind="digits", fingerprint="x"))
    assert plan.columns == ("teacher", "ban", "ban+l", "cwtm", "dkpp", "ban-2", "ens*2")
    assert len(plan.generations) == 6
