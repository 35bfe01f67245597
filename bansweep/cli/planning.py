"""From a verb's arguments to the sweep and its plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bansweep.data.fingerprint import data_identity
from bansweep.plan.expand import expand
from bansweep.plan.plan import Plan
from bansweep.plan.selection import select
from bansweep.spec.reading import read_sweep
from bansweep.spec.sweep import SweepSpec


def plan_of(path: Path, overrides: Sequence[str] | None, only: Sequence[str] | None = None) -> tuple[SweepSpec, Plan]:
    """Read, validate and expand a sweep file. Raises RequestError with all that is wrong."""
    sweep = read_sweep(path, overrides or ())
    return sweep, select(expand(sweep, data_identity(sweep.data)), only or ())
