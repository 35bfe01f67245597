"""A teacher's logits in the 16 bits in which they are kept.

They are rounded so whether or not they are kept, so that room for them changes no bit of what is learnt.
"""

from __future__ import annotations

import torch
from torch import Tensor


def in_16_bits(logits: Tensor) -> Tensor:
    """Logits (..., C) that were autocast as they are, in bfloat16; others as float16 of what they lack of the largest.

    The latter leaves float32's distributions as they are but for one part in 2000 of each class's distance (in nats)
    from the likeliest one.
    """
    if logits.dtype == torch.bfloat16:
        return logits
    # Large numbers have few digits in 16 bits: near the likeliest class they are small.
    return (logits - logits.amax(dim=-1, keepdim=True)).to(torch.float16)


def dtype_of_logits(*, bf16: bool) -> torch.dtype:
    """The type that `in_16_bits` gives, of networks that compute in bfloat16 or in float32."""
    return torch.bfloat16 if bf16 else torch.float16
