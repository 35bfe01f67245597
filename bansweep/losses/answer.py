"""What a network says of a batch, as far as losses compare it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Answer(NamedTuple):
    """Of the samples that a worker holds: their logits, and on request the features on the way there.

    `logits_BC`, unnormalised, (B, C). `stage_outputs`: the features after each stage, first stage first, each
    (B, K, H, W) with sizes of its own; empty unless the loss `needs_stage_outputs` (see `builder`). Any floating types.
    """

    logits_BC: Tensor
    stage_outputs: tuple[Tensor, ...] = ()
