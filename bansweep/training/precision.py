"""Floating-point formats: autocast for networks, and 16 bits for cached logits.

Logits are rounded whether or not they are cached, so that the size of the cache does not change a bit of the training.
"""

from __future__ import annotations

import os

import torch
from torch import Tensor


def round_to_16_bits(logits: Tensor) -> Tensor:
    """Logits (..., C) in 16 bits: bfloat16 ones unchanged, others as float16 differences from the largest one.

    The latter changes the distribution by at most one part in 2000 of each class's distance (in nats) from the largest
    logit.
    """
    if logits.dtype == torch.bfloat16:
        return logits
    # Large numbers have few digits in 16 bits; differences are small near the largest logit.
    return (logits - logits.amax(dim=-1, keepdim=True)).to(torch.float16)


def dtype_of_logits(*, bf16: bool) -> torch.dtype:
    """The type that `round_to_16_bits` gives for networks that compute in bfloat16 or in float32."""
    return torch.bfloat16 if bf16 else torch.float16


def autocast(device: torch.device, *, bf16: bool) -> torch.autocast:
    """bfloat16 autocasting on `device` if `bf16`; otherwise a context that does nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16)


def use_exact_arithmetic() -> None:
    """Compute float32 exactly and deterministically on GPUs as on CPUs. Side effect: settings of this process.

    By default cuDNN convolves float32 in TF32, and chooses algorithms that add in no fixed order. cuBLAS, which LSTMs
    use, is deterministic only with a workspace of fixed size, which must be set before its first call. Compiled
    networks have separate settings for this purpose (`compilation.compiled`).
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
