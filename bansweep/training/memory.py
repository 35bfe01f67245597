"""What is said where a step does not fit into memory: which, of what, and what would make it fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bansweep.errors import OutOfMemoryError

# What PyTorch's CPU allocator says in a RuntimeError: "... you tried to allocate 9437184000 bytes. ..."
_ON_CPU = re.compile(r"DefaultCPUAllocator.*?(?:tried to allocate (\d+) bytes|$)", re.DOTALL)
_REMEDY = (
    "make room: more resources.workers share each batch, resources.recompute: true keeps fewer activations, "
    "resources.precision: bf16 takes half for each (and is another generation), "
    "resources.teacher_memory_gb: 0 keeps a teacher's outputs out of memory; "
    "the same command goes on from the last saved epoch"
)


@contextmanager
def memory_told(device: torch.device, doing: str) -> Iterator[None]:
    """Turn what PyTorch and Python raise for want of memory into an OutOfMemoryError that says what was being done."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        # Its first sentences say how much was wanted and how much was free; advice about the allocator follows.
        raise _error(device, doing, " ".join(str(error).split(". If reserved")[0].split())) from error
    except MemoryError as error:
        raise _error(device, doing, str(error) or "no more is to be had") from error
    except RuntimeError as error:
        found = _ON_CPU.search(str(error))
        if found is None:
            raise
        wanted = f"{int(found[1]) / 1e9:.2f} GB more were asked for" if found[1] else "no more is to be had"
        raise _error(device, doing, wanted) from error


def _error(device: torch.device, doing: str, reason: str) -> OutOfMemoryError:
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "this machine"
    return OutOfMemoryError(f"the memory of {where} ran out {doing}: {reason}", remedy=_REMEDY)
