"""The memory of a training process: freeing it, measuring it, and explaining why it ran out.

Each step allocates what the one before has freed. By default glibc returns large blocks to the kernel as soon as they
are free, and the kernel clears and maps each page again: 120,000 page faults, a quarter of the time, in a step of
DenseNet-BC-40-12.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

from bansweep.errors import OutOfMemoryError
from bansweep.formatting import size_text

# <malloc.h>
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_TRIM_THRESHOLD_BYTES = 2**31 - 1  # the largest int: never trim the end of the heap
_TOP_PAD_BYTES = 64 * 2**20
# Larger blocks are teachers' tables, not activations: they are returned to the kernel.
_LARGEST_BLOCK_BYTES = 2**30

_STATM = Path("/proc/self/statm")
_BYTES_OF_A_MEGABYTE = 1e6

# The text of the CPU allocator's RuntimeError: "... you tried to allocate 9437184000 bytes. ..."
_ON_CPU = re.compile(r"DefaultCPUAllocator.*?(?:tried to allocate (\d+) bytes|$)", re.DOTALL)
# CUDA's libraries allocate memory themselves, and report failures in a RuntimeError. cuBLAS reports NOT_INITIALIZED if
# its handle does not fit, cuDNN 9 names the allocation, and NCCL gives CUDA's reason in a separate line. The last is
# the wording of CUDA, its driver (torch.AcceleratorError) and Triton.
_IN_A_LIBRARY = (
    ("cuBLAS", re.compile(r"CUBLAS_STATUS_(?:ALLOC_FAILED|NOT_INITIALIZED)")),
    ("cuDNN", re.compile(r"CUDNN_STATUS_(?:ALLOC_FAILED|INTERNAL_ERROR_\w*ALLOCATION_FAILED)")),
    ("NCCL", re.compile(r"Cuda failure (?:\d+ )?'out of memory'")),
    ("CUDA", re.compile(r"(?:CUDA error|CUDA driver error|Triton Error \[CUDA\]): out of memory")),
)
_REMEDY = (
    "use more resources.workers, which share each batch; or resources.recompute: true, which stores fewer activations; "
    "or resources.precision: bf16, which halves them (another generation); or resources.teacher_memory_gb: 0, which "
    "keeps a teacher's outputs out of memory. The same command resumes from the last saved epoch"
)
_REMEDY_OF_A_PART = "raise resources.gpus_per_worker: this process may use only a part of the GPU; or "


@cache
def keep_freed_memory() -> None:
    """Let glibc reuse freed memory in the next step instead of returning it to the kernel.

    Side effect: glibc's settings for this process. Does nothing with another C library or operating system.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)
    mallopt(_M_TOP_PAD, _TOP_PAD_BYTES)


def give_back_freed_memory() -> None:
    """Return freed memory to the kernel, after a training is over and its tensors are gone.

    Each training of a process runs in its own thread, and glibc caches memory by thread. The next training would not
    reuse the memory of the last one, so the process would grow with each. Side effect: this process's memory shrinks.
    """
    if sys.platform != "linux":
        return
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


class SystemMeter:
    """Measures CPU and memory use from one `reading` to the next, at first since the meter was made.

    Each worker measures its own process. Side effect: PyTorch's statistics of peak GPU memory are reset.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._begin()

    def reading(self) -> dict[str, float]:
        """Names that MLflow shows below `system/`, with their figures.

        `process_cpu_percentage`: processor time by wall time, 100 for one busy core. `process_memory_megabytes`:
        resident now, where the operating system says so. `gpu_peak_memory_megabytes`: the most that tensors took.
        """
        wall_s, cpu_s = time.perf_counter() - self._wall_at, time.process_time() - self._cpu_at
        read = {"process_cpu_percentage": 100 * cpu_s / wall_s} if wall_s > 0 else {}
        if (resident := _resident_bytes()) is not None:
            read["process_memory_megabytes"] = resident / _BYTES_OF_A_MEGABYTE
        if self._device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self._device)
            read["gpu_peak_memory_megabytes"] = peak / _BYTES_OF_A_MEGABYTE
        self._begin()
        return read

    def _begin(self) -> None:
        self._wall_at, self._cpu_at = time.perf_counter(), time.process_time()
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)


def _resident_bytes() -> int | None:
    """The process's resident memory; None on other systems than Linux."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def explain_out_of_memory(device: torch.device, doing: str) -> Iterator[None]:
    """Turn what PyTorch, CUDA's libraries and Python raise when memory runs out into an OutOfMemoryError.

    `doing` says when: "in epoch 3, with a batch of 64".
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        # The first sentences give the requested and the free memory; advice about the allocator follows.
        raise _out_of_memory_error(device, doing, " ".join(str(error).split(". If reserved")[0].split())) from error
    except MemoryError as error:
        raise _out_of_memory_error(device, doing, str(error) or "no more is to be had") from error
    except RuntimeError as error:
        reason = _reason(str(error))
        if reason is None:
            raise
        raise _out_of_memory_error(device, doing, reason) from error


def is_out_of_memory(error: Exception) -> bool:
    """Whether `explain_out_of_memory` would explain the error."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and _reason(str(error)) is not None
    )


def _reason(message: str) -> str | None:
    """Why memory ran out by the text of a RuntimeError; None for any other error."""
    found = _ON_CPU.search(message)
    if found is not None:
        return f"{size_text(int(found[1]))} more were asked for" if found[1] else "no more is to be had"
    for library, pattern in _IN_A_LIBRARY:
        if (found := pattern.search(message)) is not None:
            # cuBLAS gives this reason for other failures of the GPU as well.
            doubt = "probably " if found[0].endswith("NOT_INITIALIZED") else ""
            return f"{library} {doubt}could not allocate what it needs ({found[0]})"
    return None


def _out_of_memory_error(device: torch.device, doing: str, reason: str) -> OutOfMemoryError:
    name, is_part = ("this machine", False) if device.type != "cuda" else _gpu(device)
    remedy = f"{_REMEDY_OF_A_PART}{_REMEDY}" if is_part else _REMEDY
    return OutOfMemoryError(f"the memory of {name} ran out {doing}: {reason}", remedy=remedy)


def _gpu(device: torch.device) -> tuple[str, bool]:
    """The GPU's name, and whether this process may use only a part of its memory (`device.limit_memory`)."""
    try:
        index = torch.cuda.current_device() if device.index is None else device.index
        return torch.cuda.get_device_name(index), torch.cuda.get_per_process_memory_fraction(index) < 1
    except (RuntimeError, AssertionError):
        # CUDA ran out of memory when it was initialised.
        return "the GPU", False
