from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from bansweep.errors import OutOfMemoryError
from bansweep.training.memory import explain_out_of_memory, is_out_of_memory

CPU = torch.device("cpu")
# A batch of the whole set, on a network whose first activations take more than the limit.
TRAIN_IN_LITTLE_MEMORY = """
import resource, sys
import numpy as np, torch
from bansweep.data.datasets import ImageData, ImageSplit
from bansweep.errors import OutOfMemoryError
from bansweep.graph.generation import DataIdentity, Generation
from bansweep.config.recipes import RECIPES
from bansweep.training.image_run import ImageRun

torch.set_num_threads(1)
split = ImageSplit(np.zeros((4096, 32, 32, 3), dtype=np.uint8), np.zeros(4096, dtype=np.int64))
data = ImageData(split, None, split, ("a", "b"), (0.5,) * 3, (0.5,) * 3)
generation = Generation.model_validate({
    "network": "wrn-28-10", "loss": "labels", "data": DataIdentity(kind="zeros", fingerprint="0"), "precision": "fp32",
    "recipe": {**RECIPES["wide-resnet"], "epochs": 1, "batch_size": 4096}, "seed": 0, "generation_index": 0,
})
run = ImageRun(generation, data)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 500_000_000,) * 2)
try:
    next(run.epochs())
except OutOfMemoryError as error:
    print(error)
    sys.exit(0)
sys.exit("it fitted")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited through Linux's RLIMIT_AS")
def test_a_step_that_does_not_fit_says_so_in_two_lines() -> None:
    ended = subprocess.run([sys.executable, "-c", TRAIN_IN_LITTLE_MEMORY], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    cause, remedy = ended.stdout.splitlines()
    assert "the memory of this machine ran out in epoch 1, with a batch of 4096" in cause
    assert "268 MB more were asked for" in cause
    assert "resources.recompute" in remedy


def test_what_a_gpu_says_is_kept_without_the_allocators_advice() -> None:
    said = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1.00 GiB free. If reserved but unallocated ..."
    with pytest.raises(OutOfMemoryError) as caught, explain_out_of_memory(CPU, "in epoch 3"):
        raise torch.OutOfMemoryError(said)
    assert caught.value.cause.endswith(
        "in epoch 3: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1.00 GiB free"
    )


# What PyTorch 2.15 says where its own allocator is not concerned: "CUDA error: ", "cuDNN error: " and "NCCL error in: "
# with what the library reports.
CUBLAS_HANDLE = "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"
CUBLAS_NO_HANDLE = "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"
CUDNN_9 = """\
cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED
CUDA ran out of memory outside PyTorch's allocator. If this workload uses many dynamic shapes, cuDNN may need more"""
CUDNN_8 = "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"
NCCL = """\
NCCL error in: /pytorch/torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:1331, unhandled cuda error (run with \
NCCL_DEBUG=INFO for details), NCCL version 2.30.7
ncclUnhandledCudaError: Call to CUDA function failed.
Last error:
Cuda failure 2 'out of memory'"""
OLDER_NCCL = NCCL.replace("failure 2 '", "failure '")
CUDA = """\
CUDA error: out of memory
Search for `cudaErrorMemoryAllocation' in https://docs.nvidia.com/cuda/cuda-runtime-api for more information.
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
"""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError(CUBLAS_HANDLE), "cuBLAS could not allocate what it needs (CUBLAS_STATUS_ALLOC_FAILED)"),
        (
            RuntimeError(CUBLAS_NO_HANDLE),
            "cuBLAS probably could not allocate what it needs (CUBLAS_STATUS_NOT_INITIALIZED)",
        ),
        (RuntimeError(CUDNN_9), "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)"),
        (RuntimeError(CUDNN_8), "cuDNN could not allocate what it needs (CUDNN_STATUS_ALLOC_FAILED)"),
        (torch.distributed.DistBackendError(NCCL), "NCCL could not allocate what it needs"),
        (torch.distributed.DistBackendError(OLDER_NCCL), "NCCL could not allocate what it needs"),
        (torch.AcceleratorError(CUDA), "CUDA could not allocate what it needs (CUDA error: out of memory)"),
        (RuntimeError("Triton Error [CUDA]: out of memory"), "CUDA could not allocate what it needs"),
    ],
)
def test_libraries_of_a_gpu_run_out_of_memory_like_pytorch(error: RuntimeError, reason: str) -> None:
    assert is_out_of_memory(error)
    with pytest.raises(OutOfMemoryError) as caught, explain_out_of_memory(CPU, "in epoch 3"):
        raise error
    assert f"ran out in epoch 3: {reason}" in caught.value.cause or caught.value.cause.endswith(reason)
    assert "resources.recompute" in caught.value.remedy
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(...)`",
        "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
        NCCL.replace("out of memory", "invalid argument"),
        "CUDA error: an illegal memory access was encountered",
    ],
)
def test_other_errors_of_these_libraries_stay_as_they_are(said: str) -> None:
    assert not is_out_of_memory(RuntimeError(said))
    with pytest.raises(RuntimeError) as caught, explain_out_of_memory(CPU, "in epoch 3"):
        raise RuntimeError(said)
    assert str(caught.value) == said


@pytest.mark.parametrize(("fraction", "expected"), [(0.2375, True), (1.0, False)])
def test_a_part_of_a_gpu_could_be_a_larger_one(
    fraction: float, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H100")
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda _: fraction)
    with pytest.raises(OutOfMemoryError) as caught, explain_out_of_memory(torch.device("cuda", 0), "in epoch 3"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    assert caught.value.cause.startswith("the memory of NVIDIA H100 ran out in epoch 3")
    assert ("raise resources.gpus_per_worker" in caught.value.remedy) is expected


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="a bug"), explain_out_of_memory(CPU, "in epoch 3"):
        raise RuntimeError("a bug")
