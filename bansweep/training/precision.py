"""In which floating-point format networks compute. Weights, losses and statistics stay in float32."""

from __future__ import annotations

import torch


def autocast(device: torch.device, *, bf16: bool) -> torch.autocast:
    """bfloat16 autocasting on `device` where `bf16` asks for it, else a context that does nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16)
