"""On a CPU that emulates bf16: rehearsals in fp32, a line that says so, and an estimate that knows it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from demo_sweep import SWEEP, Command, ended
from made_up_generation import publish_made_up

from bansweep.graph.cost import RATES
from bansweep.service import this_machine
from bansweep.service.api import load_sweep
from bansweep.service.request import SweepRequest, sweep_request
from bansweep.store.store import Store

WITHOUT_BF16 = "processor\t: 0\nflags\t\t: fpu sse4_1 avx avx2 fma\n"


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    path = tmp_path / "demo.yaml"
    path.write_text(SWEEP + "resources: {precision: bf16}\n")
    return path


@pytest.fixture
def emulating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process takes its machine for one without bf16 instructions and without GPUs."""
    (tmp_path / "cpuinfo").write_text(WITHOUT_BF16)
    monkeypatch.setattr(this_machine, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(this_machine, "_DEVICES", tmp_path / "no-devices")
    for name in ("RAY_ADDRESS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


def rehearsal(sweep_file: Path, store: Path, *changes: str, address: str | None = None) -> SweepRequest:
    return sweep_request(sweep_file, str(store), changes, rehearse=True, address=address)


def precisions(request: SweepRequest) -> set[str]:
    return {generation.precision for generation in request.plan.generations.values()}


@pytest.mark.usefixtures("emulating")
def test_a_rehearsal_computes_in_fp32_and_says_so(sweep_file: Path, tmp_path: Path) -> None:
    request = rehearsal(sweep_file, tmp_path / "store")
    assert precisions(request) == {"fp32"}
    assert (request.bf16_message or "").startswith(
        "bf16 is emulated on this CPU: the rehearsal computes in fp32 (--set "
    )
    # The sweep itself is what it was.
    sweep = sweep_request(sweep_file, str(tmp_path / "store"), None)
    assert precisions(sweep) == {"bf16"}
    assert sweep.bf16_message == "bf16 is emulated on this CPU, at least 5 times slower than fp32"


@pytest.mark.usefixtures("emulating")
@pytest.mark.parametrize(
    ("changes", "address"),
    [
        (["resources.precision=bf16"], None),
        (["resources.gpus_per_worker=1"], None),
        ([], "auto"),
    ],
    ids=["asked for", "GPU", "cluster"],
)
def test_bf16_stays_where_it_is_asked_for_or_trains_elsewhere(
    changes: list[str], address: str | None, sweep_file: Path, tmp_path: Path
) -> None:
    request = rehearsal(sweep_file, tmp_path / "store", *changes, address=address)
    assert precisions(request) == {"bf16"}
    elsewhere = changes != ["resources.precision=bf16"]
    assert (request.bf16_message is None) == elsewhere


@pytest.mark.usefixtures("emulating")
def test_a_gpu_here_leaves_a_rehearsal_as_it_is(sweep_file: Path, tmp_path: Path) -> None:
    (tmp_path / "no-devices").mkdir()
    (tmp_path / "no-devices" / "nvidia0").touch()
    request = rehearsal(sweep_file, tmp_path / "store")
    assert precisions(request) == {"bf16"}
    assert request.bf16_message is None


@pytest.mark.usefixtures("emulating")
def test_a_sweep_in_fp32_is_rehearsed_without_a_word(sweep_file: Path, tmp_path: Path) -> None:
    request = rehearsal(sweep_file, tmp_path / "store", "resources.precision=fp32")
    assert precisions(request) == {"fp32"}
    assert request.bf16_message is None


@pytest.mark.usefixtures("emulating")
def test_a_rehearsal_that_began_in_bf16_is_continued(sweep_file: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    begun = rehearsal(sweep_file, root, address="auto").plan
    publish_made_up(Store(root / "rehearsals"), next(iter(begun.generations.values())))
    continued = rehearsal(sweep_file, root)
    assert continued.plan.generations.keys() == begun.generations.keys()
    assert continued.bf16_message == "bf16 is emulated on this CPU, at least 5 times slower than fp32"
    # Once it is also rehearsed in fp32, that is what commands work on.
    in_fp32 = rehearsal(sweep_file, tmp_path / "empty").plan
    publish_made_up(Store(root / "rehearsals"), next(iter(in_fp32.generations.values())))
    assert rehearsal(sweep_file, root).plan.generations.keys() == in_fp32.generations.keys()


def planned(sweep_file: Path, store: Path, *options: str) -> str:
    """What `bansweep plan` prints in a process of its own, which must not import PyTorch."""
    command = (
        "import sys; from bansweep.cli.app import app; app(standalone_mode=False); assert 'torch' not in sys.modules"
    )
    arguments = ["plan", str(sweep_file), "--store", str(store), *options]
    done = subprocess.run([sys.executable, "-c", command, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def rate_of(sweep_file: Path, store: Path) -> float:
    cost: dict[str, Any] = json.loads(planned(sweep_file, store, "--set", "resources.gpus_per_worker=0", "--json"))[
        "cost"
    ]
    return float(cost["rate"]["cpu"])


def test_plan_says_so_and_estimates_it(sweep_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    store = tmp_path / "store"
    assert "\nbf16 is emulated on this CPU, at least 5 times slower than fp32\n" in planned(sweep_file, store)
    assert re.search("^bf16 is emulated .* computes in fp32", planned(sweep_file, store, "--rehearse"), re.MULTILINE)
    assert rate_of(sweep_file, store) * 5 <= RATES["cpu"]["fp32"]
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert "emulated" not in planned(sweep_file, store)
    assert rate_of(sweep_file, store) == RATES["cpu"]["bf16"]


@pytest.mark.ray
def test_run_rehearses_in_fp32_and_says_so(
    sweep_file: Path, tmp_path: Path, start: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_bf16 = {"CUDA_VISIBLE_DEVICES": "", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    for name, value in without_bf16.items():
        monkeypatch.setenv(name, value)
    arguments = (sweep_file, "--rehearse", "--store", tmp_path / "store", "--only", "teacher")
    _, err = ended(start("run", *arguments, env=without_bf16))
    assert len(re.findall("^bf16 is emulated on this CPU: the rehearsal computes in fp32", err, re.MULTILINE)) == 1
    store = Store(tmp_path / "store" / "rehearsals")
    records = [store.record(one) for one in store.ids()]
    assert [record and record.trained.precision for record in records] == ["fp32"]
    _, again = ended(start("run", *arguments, env=without_bf16))
    assert "0 trained, 1 reused" in again
    assert "emulated" not in again, "nothing is left to train"
    # From Python it is the same rehearsal.
    plan = load_sweep(sweep_file, only=["teacher"], rehearse=True).plan()
    assert set(plan.generations) == set(store.ids())
