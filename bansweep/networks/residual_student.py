"""A residual network in a DenseNet's place: "Born-Again Neural Networks", section 4.1 and table 5.

    image -> conv 3x3 -> blocks, transition -> blocks, transition -> blocks, transition -> BN, ReLU, mean -> linear

The DenseNet's first convolution, transitions and classifier stay as they are; each dense block gives way to residual
blocks of one width, at the resolution of the dense block. The transition after them leads to as many channels as the
DenseNet has there, so that a student's first and last layer, and its features after each stage, match its teacher's.
"""

from __future__ import annotations

from typing import Literal, assert_never

from torch import nn

from bansweep.networks.densenet import Transition
from bansweep.networks.pre_resnet import BottleneckBlock
from bansweep.networks.stage import Stage
from bansweep.networks.staged import StagedNetwork
from bansweep.networks.wide_resnet import BasicBlock

BlockKind = Literal["basic", "bottleneck"]


class ResidualStudent(StagedNetwork):
    """`blocks` residual blocks a stage for images (B, `in_channels`, H, W) of 4x4 or more; gives logits (B, `classes`).

    `block_channels` is the width of each stage's blocks, `stage_channels` what its transition makes of them. The first
    two transitions halve the resolution. `dropout` acts in transitions, as in the DenseNet that they come from.
    """

    def __init__(
        self,
        block: BlockKind,
        blocks: int,
        *,
        stem_channels: int,
        block_channels: tuple[int, int, int],
        stage_channels: tuple[int, int, int],
        in_channels: int,
        classes: int,
        dropout: float = 0.0,
    ) -> None:
        assert blocks >= 1, f"a stage has at least one block, not {blocks}"
        stem = nn.Conv2d(in_channels, stem_channels, 3, padding=1, bias=False)
        stages = nn.Sequential()
        channels = stem_channels
        for index, (width, out_channels) in enumerate(zip(block_channels, stage_channels, strict=True)):
            stage = Stage()
            for _ in range(blocks):
                stage.append(_residual_block(block, channels, width))
                channels = width
            stage.append(Transition(channels, out_channels, pool=index < 2, dropout=dropout))
            channels = out_channels
            stages.append(stage)
        super().__init__(stem, stages, channels=channels, classes=classes)


def _residual_block(kind: BlockKind, in_channels: int, out_channels: int) -> nn.Module:
    match kind:
        case "basic":
            return BasicBlock(in_channels, out_channels, stride=1, dropout=0.0)
        case "bottleneck":
            return BottleneckBlock(in_channels, max(1, round(out_channels / 4)), out_channels, stride=1)
        case _:
            assert_never(kind)
