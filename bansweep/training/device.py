"""The device that a process trains on: a CPU, a GPU, or its part of a GPU that several processes share."""

from __future__ import annotations

import gc
from math import ceil

import torch

from bansweep.errors import ResourcesError
from bansweep.training.driver import unusable_gpu
from bansweep.training.memory import is_out_of_memory, memory_told

# CUDA's context and the libraries' kernels, outside PyTorch's allocator. About 0.5 to 1 GB on GPUs since 2020: an
# estimate from published figures, not measured here.
CONTEXT_BYTES = 1e9
# Less than this trains nothing: cuBLAS's and cuDNN's workspaces alone take tens of MB each.
_LEAST_BYTES = 0.5e9
_GIGABYTE = 1e9


def training_device(*, gpus: float, index: int | None = None) -> torch.device:
    """The device of this process, which has `gpus` GPUs from Ray: 0, 1 or a part of one.

    `index` is the GPU's number among those that this process can see; by default it is the thread's current one.

    Side effects on a GPU: CUDA is initialised, a kernel is run, and PyTorch's allocator is limited to the part.
    Raises ClusterError where the GPU cannot be used, ResourcesError where its part is too small, OutOfMemoryError where
    other processes have taken all of its memory.
    """
    if gpus == 0:
        return torch.device("cpu")
    with memory_told(torch.device("cuda"), "when CUDA was initialised"):
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
    """Limit PyTorch's allocator in this process to its part of a GPU. Raises ResourcesError where that is too small."""
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
            f"resources.gpus_per_worker: {gpus:g} of {name} is {gpus * total_bytes / _GIGABYTE:.1f} GB, of which CUDA "
            f"itself takes about {CONTEXT_BYTES / _GIGABYTE:.0f} GB in each process",
            remedy=f"raise resources.gpus_per_worker to {min(1.0, least):g} or more",
        )
    return left / total_bytes


def release_device_memory() -> None:
    """Give the memory that PyTorch caches on GPUs back, for other processes. Side effect: a garbage collection.

    Tensors that something still refers to keep their memory.
    """
    gc.collect()
    torch.cuda.empty_cache()
