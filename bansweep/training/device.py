"""The device of a process: a CPU, a GPU or a part of one, and why a GPU cannot be used."""

from __future__ import annotations

import gc
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import torch

from bansweep.errors import ClusterError, ResourcesError
from bansweep.formatting import setting_text, size_text
from bansweep.training.memory import explain_out_of_memory, is_out_of_memory

LEAST_DRIVER: Mapping[int, int] = {11: 450, 12: 525, 13: 580}
"""The oldest driver branch for each major version of CUDA (NVIDIA, "CUDA Compatibility": minor versions)."""

# CUDA's context and the libraries' kernels, outside PyTorch's allocator. About 0.5 to 1 GB on GPUs since 2020: an
# estimate from published figures, not measured here.
CONTEXT_BYTES = 1e9
# Less than this trains nothing: cuBLAS's and cuDNN's workspaces alone take tens of MB each.
_LEAST_BYTES = 0.5e9

_VERSION_FILE = Path("/proc/driver/nvidia/version")
# In its first line, the version follows the kernel module's name: NVIDIA UNIX x86_64 Kernel Module  535.129.03
_KERNEL_MODULE = re.compile(r"^NVRM version:.*?\s(\d+(?:\.\d+)+)(?:\s|$)", re.MULTILINE)
# PyTorch reports the CUDA version that the driver supports, 12.2 as 12020.
_TOO_OLD = re.compile(r"driver on your system is too old \(found version (\d+)\)")
_ON_CPUS = "resources.gpus_per_worker: 0 trains on CPUs"


def training_device(*, gpus: float, index: int | None = None) -> torch.device:
    """The device of this process, which has `gpus` GPUs from Ray: 0, 1 or a part of one.

    `index` is the GPU's number among those that this process can see; by default it is the thread's current one.

    Side effects on a GPU: CUDA is initialised, a kernel is run, and PyTorch's allocator is limited to the part.
    Raises ClusterError where the GPU cannot be used, ResourcesError where its part is too small, OutOfMemoryError where
    other processes have taken all of its memory.
    """
    if gpus == 0:
        return torch.device("cpu")
    with explain_out_of_memory(torch.device("cuda"), "when CUDA was initialised"):
        try:
            device = torch.device("cuda", torch.cuda.current_device() if index is None else index)
            # Only a kernel shows whether this build of PyTorch has code for the GPU's architecture.
            torch.zeros(1, device=device).add_(1).item()
        except (RuntimeError, AssertionError) as error:
            if is_out_of_memory(error):
                raise
            raise unusable_gpu(error) from error
    limit_memory(device, gpus=gpus)
    return device


def limit_memory(device: torch.device, *, gpus: float) -> None:
    """Limit PyTorch's allocator in this process to its part of a GPU. Raises ResourcesError if that is too small."""
    properties = torch.cuda.get_device_properties(device)
    fraction = memory_fraction(gpus, properties.total_memory, properties.name)
    # Also for a whole GPU: an earlier trial in this process may have had a part of one.
    torch.cuda.set_per_process_memory_fraction(fraction, device)


def memory_fraction(gpus: float, total_bytes: int, name: str) -> float:
    """The part of a GPU's memory that PyTorch may allocate in a process that has `gpus` of it.

    `total_bytes` is the memory of the whole GPU. Each process also has a CUDA context, which PyTorch does not allocate:
    without that deduction, processes whose parts add up to 1 would run out of memory. Raises ResourcesError where less
    than 0.5 GB remains.
    """
    if gpus >= 1:
        return 1.0
    left = gpus * total_bytes - CONTEXT_BYTES
    if left < _LEAST_BYTES:
        least = ceil(100 * (CONTEXT_BYTES + _LEAST_BYTES) / total_bytes) / 100
        raise ResourcesError(
            f"resources.gpus_per_worker: {setting_text(gpus)} of {name} is {size_text(gpus * total_bytes)}, of which "
            f"CUDA itself takes about {size_text(CONTEXT_BYTES)} in each process",
            remedy=f"raise resources.gpus_per_worker to {setting_text(min(1.0, least))} or more",
        )
    return left / total_bytes


def release_device_memory() -> None:
    """Free the memory that PyTorch caches on GPUs, for other processes. Side effect: a garbage collection.

    Tensors that something still refers to keep their memory.
    """
    gc.collect()
    torch.cuda.empty_cache()


def unusable_gpu(error: Exception) -> ClusterError:
    """The error for a process with a GPU from Ray, where PyTorch raised `error` at the GPU's first use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return explain_unusable_gpu(str(error), TorchBuild.installed(), installed_driver(), socket.gethostname(), visible)


def explain_unusable_gpu(
    message: str, build: TorchBuild, driver: str | None, node: str, visible: str | None
) -> ClusterError:
    """Cause and remedy of a failure to use a GPU, from PyTorch's `message`.

    `driver` is what `installed_driver` returns, `visible` the process's CUDA_VISIBLE_DEVICES (None: not set).
    """
    if build.cuda is None:
        return ClusterError(
            f"torch {build.version} on node {node} is built for CPUs only and cannot use its GPU",
            remedy=f"install PyPI's torch there (the CUDA image instead of the CPU image); {_ON_CPUS}",
        )
    too_old = _TOO_OLD.search(message)
    if too_old is not None:
        supports = f"CUDA {int(too_old[1]) // 1000}.{int(too_old[1]) % 1000 // 10}"
        named = f"NVIDIA driver {driver} (for {supports})" if driver else f"an NVIDIA driver for {supports}"
        return ClusterError(
            f"node {node} has {named}, which is too old: {build.needs}",
            remedy=f"install {build.driver} there, or a torch that is built for {supports} (https://pytorch.org)",
        )
    if driver is None:
        return ClusterError(
            f"node {node} has a GPU for Ray, but no NVIDIA driver that this process can see: {build.needs}",
            remedy=f"install {build.driver} there, or let containers see it (NVIDIA Container Toolkit); {_ON_CPUS}",
        )
    devices = "not set" if visible is None else repr(visible)
    return ClusterError(
        f"torch {build.version} cannot use the GPU of node {node}: {_first_sentence(message)} "
        f"(driver {driver}, CUDA_VISIBLE_DEVICES {devices})",
        remedy=f"`nvidia-smi` there shows whether the GPU works and is visible; {_ON_CPUS}",
    )


def _first_sentence(message: str) -> str:
    lines = message.strip().splitlines()
    return lines[0].split(". ")[0].rstrip(".") if lines else "no reason is given"


@dataclass(frozen=True)
class TorchBuild:
    """A PyTorch package: its version, and the CUDA version that it was built for (None: CPUs only)."""

    version: str
    cuda: str | None

    @classmethod
    def installed(cls) -> TorchBuild:
        return cls(torch.__version__, torch.version.cuda)

    @property
    def needs(self) -> str:
        """`torch 2.15.0+cu132 is built for CUDA 13.2 and needs NVIDIA driver 580 or newer`."""
        return f"torch {self.version} is built for CUDA {self.cuda} and needs {self.driver}"

    @property
    def driver(self) -> str:
        least = None if self.cuda is None else LEAST_DRIVER.get(int(self.cuda.split(".")[0]))
        return f"an NVIDIA driver for CUDA {self.cuda}" if least is None else f"NVIDIA driver {least} or newer"


def installed_driver(version_file: Path = _VERSION_FILE) -> str | None:
    """The version of the NVIDIA kernel module that is loaded, such as `535.129.03`; None without one."""
    try:
        found = _KERNEL_MODULE.search(version_file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return found and found[1]
