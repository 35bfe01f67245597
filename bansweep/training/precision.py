"""Floating-point formats: autocast for networks, and 16 bits for cached logits.

They are rounded so whether or not they are kept, so that room for them changes no bit of what is learnt.
"""

from __future__ import annotations

import os

import torch
from torch import Tensor


def round_to_16_bits(logits: Tensor) -> Tensor:
    """Logits (..., C) that were autocast as they are, in bfloat16; others as float16 of what they lack of the largest.

    The latter leaves float32's distributions as they are but for one part in 2000 of each class's distance (in nats)
    from the likeliest one.
    """
    if logits.dtype == torch.bfloat16:
        return logits
    # Large numbers have few digits in 16 bits: near the likeliest class they are small.
    return (logits - logits.amax(dim=-1, keepdim=True)).to(torch.float16)


def dtype_of_logits(*, bf16: bool) -> torch.dtype:
    """The type that `round_to_16_bits` gives, of networks that compute in bfloat16 or in float32."""
    return torch.bfloat16 if bf16 else torch.float16


def autocast(device: torch.device, *, bf16: bool) -> torch.autocast:
    """bfloat16 autocasting on `device` where `bf16` asks for it, else a context that does nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16)


def use_exact_arithmetic() -> None:
    """Make "fp32" mean that, and equal work give equal bits, on GPUs as on CPUs. Side effect: settings of this process.

    By default cuDNN convolves float32 in TF32, and picks algorithms that add in no fixed order; cuBLAS, which LSTMs
    use, needs a workspace of fixed size for that, named before its first call. Compiled networks have settings of their
    own for the same purpose (`compilation.compiled`).
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
