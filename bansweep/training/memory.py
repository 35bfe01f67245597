"""Out of memory, explained: which memory, of what, and what would make the training fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bansweep.errors import OutOfMemoryError

# What PyTorch's CPU allocator says in a RuntimeError: "... you tried to allocate 9437184000 bytes. ..."
_ON_CPU = re.compile(r"DefaultCPUAllocator.*?(?:tried to allocate (\d+) bytes|$)", re.DOTALL)
# CUDA's libraries allocate memory of their own, and report in a RuntimeError that there was none. cuBLAS says
# NOT_INITIALIZED where its handle does not fit, and cuDNN 9 names the allocation; NCCL's text has CUDA's reason in a
# line of its own. The last is CUDA's and its driver's own wording (torch.AcceleratorError), and Triton's.
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


@contextmanager
def memory_told(device: torch.device, doing: str) -> Iterator[None]:
    """Turn what PyTorch, CUDA's libraries and Python raise when memory runs out into an OutOfMemoryError.

    `doing` says in what the memory ran out: "in epoch 3, with a batch of 64".
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        # Its first sentences say how much was wanted and how much was free; advice about the allocator follows.
        raise _error(device, doing, " ".join(str(error).split(". If reserved")[0].split())) from error
    except MemoryError as error:
        raise _error(device, doing, str(error) or "no more is to be had") from error
    except RuntimeError as error:
        reason = _reason(str(error))
        if reason is None:
            raise
        raise _error(device, doing, reason) from error


def is_out_of_memory(error: Exception) -> bool:
    """Whether `memory_told` would explain the error."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and _reason(str(error)) is not None
    )


def _reason(said: str) -> str | None:
    """Why memory ran out by the text of a RuntimeError; None for any other error."""
    found = _ON_CPU.search(said)
    if found is not None:
        return f"{int(found[1]) / 1e9:.2f} GB more were asked for" if found[1] else "no more is to be had"
    for library, pattern in _IN_A_LIBRARY:
        if (found := pattern.search(said)) is not None:
            # cuBLAS gives this reason for other failures of the GPU as well.
            doubt = "probably " if found[0].endswith("NOT_INITIALIZED") else ""
            return f"{library} {doubt}could not allocate what it needs ({found[0]})"
    return None


def _error(device: torch.device, doing: str, reason: str) -> OutOfMemoryError:
    name, is_part = ("this machine", False) if device.type != "cuda" else _gpu(device)
    remedy = f"{_REMEDY_OF_A_PART}{_REMEDY}" if is_part else _REMEDY
    return OutOfMemoryError(f"the memory of {name} ran out {doing}: {reason}", remedy=remedy)


def _gpu(device: torch.device) -> tuple[str, bool]:
    """The GPU's name, and whether this process may use only a part of its memory (`device.limit_memory`)."""
    try:
        index = torch.cuda.current_device() if device.index is None else device.index
        return torch.cuda.get_device_name(index), torch.cuda.get_per_process_memory_fraction(index) < 1
    except (RuntimeError, AssertionError):
        # CUDA itself found no memory when it started.
        return "the GPU", False
