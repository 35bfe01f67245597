"""Why a process cannot use the GPU that Ray gave it: the NVIDIA driver that PyTorch needs, and what else is missing."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from bansweep.errors import ClusterError

LEAST_DRIVER: Mapping[int, int] = {11: 450, 12: 525, 13: 580}
"""The oldest driver branch for each major version of CUDA (NVIDIA, "CUDA Compatibility": minor versions)."""

_VERSION_FILE = Path("/proc/driver/nvidia/version")
# In its first line, the version follows the kernel module's name: NVIDIA UNIX x86_64 Kernel Module  535.129.03
_KERNEL_MODULE = re.compile(r"^NVRM version:.*?\s(\d+(?:\.\d+)+)(?:\s|$)", re.MULTILINE)
# PyTorch reports the CUDA version that the driver supports, 12.2 as 12020.
_TOO_OLD = re.compile(r"driver on your system is too old \(found version (\d+)\)")
_ON_CPUS = "resources.gpus_per_worker: 0 trains on CPUs"


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


def unusable_gpu(error: Exception) -> ClusterError:
    """The error for a process that was given a GPU, where PyTorch raised `error` when it first used it."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return explain(str(error), TorchBuild.installed(), installed_driver(), socket.gethostname(), visible)


def explain(said: str, build: TorchBuild, driver: str | None, node: str, visible: str | None) -> ClusterError:
    """What PyTorch said when it could not use a GPU, as cause and remedy.

    `driver` is what `installed_driver` returns, `visible` the process's CUDA_VISIBLE_DEVICES (None: not set).
    """
    if build.cuda is None:
        return ClusterError(
            f"torch {build.version} on node {node} is built for CPUs only and cannot use its GPU",
            remedy=f"install PyPI's torch there (the CUDA image instead of the CPU image); {_ON_CPUS}",
        )
    too_old = _TOO_OLD.search(said)
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
        f"torch {build.version} cannot use the GPU of node {node}: {_first_sentence(said)} "
        f"(driver {driver}, CUDA_VISIBLE_DEVICES {devices})",
        remedy=f"`nvidia-smi` there shows whether the GPU works and is visible; {_ON_CPUS}",
    )


def _first_sentence(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[0].split(". ")[0].rstrip(".") if lines else "no reason is given"
