"""`import bansweep`: what it offers, and that it costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import bansweep


def test_everything_that_is_named_is_there() -> None:
    assert all(getattr(bansweep, name) for name in bansweep.__all__)
    assert dir(bansweep) == sorted(bansweep.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lode_sweep'"):
        bansweep.lode_sweep  # noqa: B018


@pytest.mark.parametrize(
    ("what", "without"),
    [
        ("import bansweep", {"pydantic", "yaml", "numpy", "pandas", "torch", "ray", "mlflow", "typer"}),
        ("import bansweep; bansweep.load_sweep('sweeps/quickstart.yaml').plan()", {"pandas", "torch", "ray", "mlflow"}),
        ("import bansweep; bansweep.SweepResult", {"torch", "ray", "mlflow"}),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(what: str, without: set[str]) -> None:
    script = f"import sys; {what}; print(*{without} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert ended.stdout.split() == []
