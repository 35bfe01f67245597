"""A sweep small enough for tests, and what tests of whole commands share."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from bansweep.data.fingerprint import data_identity
from bansweep.plan.expand import expand
from bansweep.plan.plan import Plan
from bansweep.spec.reading import read_sweep

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


def ended(process: subprocess.Popen[str], status: int = 0, timeout_s: float = 240) -> tuple[str, str]:
    """What a command printed, once it has ended with `status`."""
    out, err = process.communicate(timeout=timeout_s)
    assert process.returncode == status, f"exit status {process.returncode}\n{out}\n{err}"
    assert "Traceback" not in err, err
    return out, err


def plan_of(path: Path, *overrides: str) -> Plan:
    sweep = read_sweep(path, overrides)
    return expand(sweep, data_identity(sweep.data))


def ids_of(plan: Plan) -> dict[str, str]:
    """Column -> id, of a plan with one row and one replica."""
    return {cell.column: cell.generation_id for cell in plan.cells}


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str], timeout_s: float = 120) -> None:
    """Until something is so that `process` brings about."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, f"it ended early\n{process.communicate()}"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
