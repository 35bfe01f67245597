"""Copies from the host to the device that do not make the host wait."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(values: Tensor, device: torch.device | str) -> Tensor:
    """`values` on `device`; the same tensor if it is there already.

    A copy from pageable memory to a GPU blocks the host until the GPU has finished everything queued before it. A copy
    from pinned memory is queued like a kernel. PyTorch's host allocator reuses pinned memory only after the copies from
    it are done, so the source may be dropped at once.
    """
    device = torch.device(device)
    if device.type != "cuda" or values.is_cuda:
        return values.to(device)
    # A strided source would be copied through pageable memory.
    source = values.contiguous()
    if not source.is_pinned():
        source = source.pin_memory()
    return source.to(device, non_blocking=True)
