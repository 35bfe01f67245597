"""A sweep small enough for tests, and what tests of whole commands share."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from patience import SWEEP_S

from bansweep.config.reading import read_sweep
from bansweep.data.fingerprint import data_identity
from bansweep.graph.expand import expand
from bansweep.graph.plan import Plan

Command = Callable[..., "subprocess.Popen[str]"]

SWEEP = """\
name: demo
data: {kind: digits, limit: 256, test_limit: 100}
recipe: {base: wide-resnet, epochs: 4, batch_size: 32, learning_rate: 0.02, augmentation: null}
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
  ban:     {loss: kd, teacher: teacher}
  cwtm:    {loss: cwtm, teacher: teacher}
  ban-2:   {loss: kd, teacher: ban}
ensembles:
  ens*2: [ban, ban-2]
"""

# One generation of one epoch: for tests of what is around the training.
TINY = """\
name: tiny
data: {kind: digits, limit: 32, test_limit: 16}
recipe: {base: wide-resnet, epochs: 1, batch_size: 32, learning_rate: 0.02, augmentation: null}
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
"""


def ended(process: subprocess.Popen[str], status: int = 0) -> tuple[str, str]:
    """Wait for a command to end with `status`; returns what it printed on stdout and stderr."""
    try:
        out, err = process.communicate(timeout=SWEEP_S)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"the command did not end within {SWEEP_S:.0f} s: {_given_up(process)}") from None
    assert process.returncode == status, f"exit status {process.returncode}\n{out}\n{err}"
    assert "Traceback" not in err, err
    return out, err


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until a condition is true that `process` brings about; fails as soon as the process has ended without it.

    A busy machine may let a test look only every few seconds: a condition must stay true for much longer than that.
    """
    deadline = time.monotonic() + SWEEP_S
    while not condition():
        assert process.poll() is None, f"the process ended before the condition was true: {_given_up(process)}"
        assert time.monotonic() < deadline, f"waited for {SWEEP_S:.0f} s in vain: {_given_up(process)}"
        time.sleep(0.02)


def _given_up(process: subprocess.Popen[str]) -> str:
    """End a process that a test gives up; returns its exit status and what it printed."""
    process.kill()
    out, err = process.communicate()
    return f"exit status {process.returncode}\n{out}\n{err}"


def plan_of(path: Path, *overrides: str) -> Plan:
    sweep = read_sweep(path, overrides)
    return expand(sweep, data_identity(sweep.data))


def ids_of(plan: Plan) -> dict[str, str]:
    """Column -> id, of a plan with one row and one replica."""
    return {cell.column: cell.generation_id for cell in plan.cells}
