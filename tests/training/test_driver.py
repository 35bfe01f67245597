"""How errors explain why PyTorch cannot use a GPU. The texts are those of PyTorch 2.15 and of NVIDIA's drivers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bansweep.training.device import TorchBuild, explain_unusable_gpu, installed_driver

CUDA_13 = TorchBuild("2.15.0+cu132", "13.2")
TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 12020). Please update your GPU driver by downloading "
    "and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx Alternatively, go to: "
    "https://pytorch.org to install a PyTorch version that has been compiled with your version of the CUDA driver."
)
NO_DRIVER = (
    "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver from "
    "http://www.nvidia.com/Download/index.aspx"
)
PROPRIETARY = """\
NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 18:56:32 UTC 2023
GCC version:  gcc version 11.4.0 (Ubuntu 11.4.0-1ubuntu1~22.04)
"""
OPEN = """\
NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs-builder@U22-I3-B17-03-3)
GCC version:  gcc version 13.3.0 (Ubuntu 13.3.0-6ubuntu2~24.04)
"""


@pytest.mark.parametrize(
    ("text", "version"), [(PROPRIETARY, "535.129.03"), (OPEN, "580.65.06"), ("", None), ("GCC version: 11.4.0\n", None)]
)
def test_driver_is_read_from_the_kernel_modules_file(text: str, version: str | None, tmp_path: Path) -> None:
    (tmp_path / "version").write_text(text)
    assert installed_driver(tmp_path / "version") == version


def test_no_file_is_no_driver(tmp_path: Path) -> None:
    assert installed_driver(tmp_path / "version") is None


def test_old_driver_is_named_with_what_torch_needs() -> None:
    error = explain_unusable_gpu(TOO_OLD, CUDA_13, "535.129.03", "gpu-3", "0")
    assert error.cause == (
        "node gpu-3 has NVIDIA driver 535.129.03 (for CUDA 12.2), which is too old: "
        "torch 2.15.0+cu132 is built for CUDA 13.2 and needs NVIDIA driver 580 or newer"
    )
    assert error.remedy == (
        "install NVIDIA driver 580 or newer there, or a torch that is built for CUDA 12.2 (https://pytorch.org)"
    )
    unseen = explain_unusable_gpu(TOO_OLD.replace("12020", "11040"), CUDA_13, None, "gpu-3", "0")
    assert "has an NVIDIA driver for CUDA 11.4, which is too old" in unseen.cause


@pytest.mark.parametrize(
    ("cuda", "needs"),
    [
        ("11.8", "NVIDIA driver 450 or newer"),
        ("12.8", "NVIDIA driver 525 or newer"),
        ("13.0", "NVIDIA driver 580 or newer"),
        ("14.1", "an NVIDIA driver for CUDA 14.1"),
    ],
)
def test_each_torch_needs_the_driver_of_its_cuda(cuda: str, needs: str) -> None:
    assert TorchBuild("2.11.0", cuda).driver == needs


def test_missing_driver_and_a_torch_for_cpus_are_told_apart() -> None:
    missing = explain_unusable_gpu(NO_DRIVER, CUDA_13, None, "gpu-3", "0")
    assert missing.cause.startswith("node gpu-3 has a GPU for Ray, but no NVIDIA driver")
    assert "driver 580 or newer" in missing.remedy
    for_cpus = explain_unusable_gpu(
        "Torch not compiled with CUDA enabled", TorchBuild("2.15.0+cpu", None), None, "gpu-3", "0"
    )
    assert for_cpus.cause == "torch 2.15.0+cpu on node gpu-3 is built for CPUs only and cannot use its GPU"
    assert all("resources.gpus_per_worker: 0 trains on CPUs" in one.remedy for one in (missing, for_cpus))


@pytest.mark.parametrize(("visible", "told"), [("7", "'7'"), ("", "''"), (None, "not set")])
def test_anything_else_is_quoted_with_what_the_process_can_see(visible: str | None, told: str) -> None:
    error = explain_unusable_gpu("No CUDA GPUs are available", CUDA_13, "580.65.06", "gpu-3", visible)
    assert error.cause == (
        "torch 2.15.0+cu132 cannot use the GPU of node gpu-3: No CUDA GPUs are available "
        f"(driver 580.65.06, CUDA_VISIBLE_DEVICES {told})"
    )


def test_long_texts_are_cut_after_their_first_sentence() -> None:
    said = (
        "CUDA error: no kernel image is available for execution on the device\n"
        "CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be "
        "incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1"
    )
    told = str(explain_unusable_gpu(said, CUDA_13, "580.65.06", "gpu-3", "0"))
    assert "no kernel image is available for execution on the device (driver" in told
    assert len(told.splitlines()) == 2
    assert "no reason is given" in str(explain_unusable_gpu("", CUDA_13, "580.65.06", "gpu-3", "0"))
