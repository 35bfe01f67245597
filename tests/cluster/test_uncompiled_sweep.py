"""A sweep that is to be compiled on machines without a compiler."""

from __future__ import annotations

from pathlib import Path

import pytest
from demo_sweep import TINY, Command, ended, plan_of

from bansweep.store.store import Store

pytestmark = pytest.mark.ray


@pytest.mark.parametrize(
    "workers",
    [pytest.param(0, id="in the trial's process"), pytest.param(1, id="in a worker group", marks=pytest.mark.slow)],
)
def test_it_is_trained_and_the_user_warned_once(workers: int, start: Command, tmp_path: Path) -> None:
    sweep_file = tmp_path / "tiny.yaml"
    resources = f"resources: {{compile: true, workers: {workers}}}\nseeds: [1, 2]\n"
    sweep_file.write_text(TINY + resources)
    no_compiler = {"CXX": "/nonexistent/g++", "CC": "/nonexistent/gcc"}
    _, messages = ended(start("run", sweep_file, "--store", tmp_path / "store", env=no_compiler))
    warnings = [line for line in messages.splitlines() if "torch.compile" in line]
    assert len(warnings) == 1, messages
    assert warnings[0].startswith("warning   torch.compile does not work on ")
    assert warnings[0].endswith(
        ": no C++ compiler was found (CXX is /nonexistent/g++); generations train uncompiled (slower). "
        "Install gcc, g++ and the headers of C and Python on the nodes, or set resources.compile: false"
    )
    store = Store(tmp_path / "store")
    records = [store.record(generation_id) for generation_id in plan_of(sweep_file).generations]
    assert [record and record.compiled_epochs for record in records] == [0, 0]
