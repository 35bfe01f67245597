"""What a CPU does with bf16, read from its flags; PyTorch's own answer is the oracle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bansweep.config.resources import Resources
from bansweep.service import this_machine
from bansweep.service.this_machine import bf16_on_this_cpu, has_gpu, trains_on_this_cpu

LIMITS = (None, "ALL", "SSE41", "AVX2", "avx2_vnni", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_BF16", "unknown")
AVX2 = "fpu sse4_1 avx avx2 fma"
AVX512 = f"{AVX2} avx512f avx512bw avx512dq avx512vl"


# oneDNN reads the variable once in a process, when it is asked first.
ASK = """
import os, sys, torch
for limit in sys.argv[1:]:
    if os.fork() == 0:
        if limit != "None":
            os.environ["ONEDNN_MAX_CPU_ISA"] = limit
        print(limit, torch.ops.mkldnn._is_mkldnn_bf16_supported(), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0
"""


@pytest.fixture(scope="module")
def supported() -> dict[str, str]:
    """Limit -> whether PyTorch finds instructions for bf16 within it: True or False, in a process of its own."""
    names = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
    asked = subprocess.run(
        [sys.executable, "-c", ASK, *map(str, LIMITS)],
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if name not in names},
    )
    return dict(line.split() for line in asked.stdout.splitlines())


@pytest.mark.parametrize("limit", LIMITS)
def test_pytorch_agrees_on_this_cpu(
    limit: str | None, supported: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    if limit is not None:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert supported[str(limit)] == str(bf16_on_this_cpu() != "emulated")


def test_oneDNNs_former_variable_counts_where_the_new_one_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setenv("DNNL_MAX_CPU_ISA", "AVX2")
    with_limit = bf16_on_this_cpu()
    assert with_limit == "emulated"
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "ALL")
    monkeypatch.delenv("DNNL_MAX_CPU_ISA")
    without_limit = bf16_on_this_cpu()
    monkeypatch.setenv("DNNL_MAX_CPU_ISA", "AVX2")
    assert bf16_on_this_cpu() == without_limit


@pytest.mark.parametrize(
    ("line", "limit", "expected"),
    [
        (f"flags\t\t: {AVX2}", "", "emulated"),
        (f"flags\t\t: {AVX512}", "", "avx512"),
        (f"flags\t\t: {AVX512} avx512_bf16", "", "native"),
        (f"flags\t\t: {AVX512} avx512_bf16", "AVX512_CORE_VNNI", "avx512"),
        (f"flags\t\t: {AVX512} avx512_bf16", "AVX2", "emulated"),
        (f"flags\t\t: {AVX2} avx_vnni", "", "emulated"),
        (f"flags\t\t: {AVX2} avx_vnni avx_vnni_int8 avx_ne_convert", "", "native"),
        (f"flags\t\t: {AVX2} avx_vnni avx_vnni_int8 avx_ne_convert", "AVX2_VNNI", "emulated"),
        ("Features\t: fp asimd i8mm bf16", "", "native"),
        ("Features\t: fp asimd", "", "emulated"),
        ("model name\t: flags unknown", "", "native"),
    ],
)
def test_other_cpus(line: str, limit: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(this_machine, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)
    assert bf16_on_this_cpu() == "native", "nothing is claimed where the system does not say"
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\n\nprocessor\t: 1\n")
    assert bf16_on_this_cpu() == expected


def test_neither_clusters_nor_gpus_are_this_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(this_machine, "_DEVICES", tmp_path)
    wherever, on_cpus, on_gpus = Resources(), Resources(gpus_per_worker=0), Resources(gpus_per_worker=1)
    assert [trains_on_this_cpu(one) for one in (wherever, on_cpus, on_gpus)] == [True, True, False]
    assert not trains_on_this_cpu(wherever, "auto")
    (tmp_path / "nvidiactl").touch()
    assert not has_gpu()
    (tmp_path / "nvidia0").touch()
    assert [trains_on_this_cpu(one) for one in (wherever, on_cpus, on_gpus)] == [False, True, False]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert trains_on_this_cpu(wherever)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert not trains_on_this_cpu(wherever)
