"""In which floating-point format networks compute. Weights, losses and statistics stay in float32."""

from __future__ import annotations

import os

import torch


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
