"""How this machine's CPU computes bf16, found without PyTorch, which takes seconds to import.

PyTorch computes bf16 on CPUs by oneDNN, which uses the instructions that the CPU has and `ONEDNN_MAX_CPU_ISA` allows.
Without them it converts between bf16 and fp32 around every operation.
"""

from __future__ import annotations

import os
from pathlib import Path

from bansweep.config.resources import Resources
from bansweep.graph.cost import Bf16
from bansweep.regular_file import read_regular

_CPUINFO = Path("/proc/cpuinfo")
_LARGEST_CPUINFO_BYTES = 16 << 20  # some 2 KB for each processor
_DEVICES = Path("/dev")
_AVX512 = frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"})
_AVX_NE_CONVERT = frozenset({"avx_vnni", "avx_vnni_int8", "avx_ne_convert"})
# Values of ONEDNN_MAX_CPU_ISA. oneDNN ignores values that it does not know.
_BELOW_AVX512 = frozenset({"sse41", "avx", "avx2", "avx2_vnni", "avx2_vnni_2"})
_AVX512_WITHOUT_BF16 = frozenset({"avx512_core", "avx512_core_vnni"})
_WITH_AVX_NE_CONVERT = frozenset({"", "all", "default", "avx2_vnni_2"})


def bf16_on_this_cpu() -> Bf16:
    """How this CPU computes bf16; "native" where the CPU's features are unknown, as outside of Linux."""
    features = _cpu_features()
    if not features:
        return "native"
    if "fpu" not in features:  # ARM
        return "native" if "bf16" in features else "emulated"
    allowed = (os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "").lower()
    if features >= _AVX512 and allowed not in _BELOW_AVX512:
        has_bf16 = "avx512_bf16" in features and allowed not in _AVX512_WITHOUT_BF16
        return "native" if has_bf16 else "avx512"
    return "native" if features >= _AVX_NE_CONVERT and allowed in _WITH_AVX_NE_CONVERT else "emulated"


def trains_on_this_cpu(resources: Resources, address: str | None = None) -> bool:
    """Whether a sweep run on this machine trains on its CPU: not on a cluster, and not on GPUs."""
    if address or os.environ.get("RAY_ADDRESS"):
        return False
    return not has_gpu() if resources.gpus_per_worker is None else resources.gpus_per_worker == 0


def has_gpu() -> bool:
    """Whether Ray would find a GPU here, by the drivers' devices: of NVIDIA, of NVIDIA under Windows, of AMD."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "NoDevFiles"):
        return False
    return any(any(_DEVICES.glob(pattern)) for pattern in ("nvidia[0-9]*", "dxg", "kfd"))


def _cpu_features() -> frozenset[str]:
    """The flags of the first CPU that Linux lists; empty where there are none."""
    try:
        text = read_regular(_CPUINFO, _LARGEST_CPUINFO_BYTES).decode(errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()
