"""Residual networks for small images: Wide-ResNet, Pre-ResNet, and the residual students of table 5.

Wide-ResNet: S. Zagoruyko and N. Komodakis, "Wide Residual Networks", BMVC 2016, table 1 and section 2.4. A stage has
(depth - 4) / 6 basic blocks B(3,3):

    image -> conv 3x3, 16 -> stage 16w -> stage 32w, stride 2 -> stage 64w, stride 2 -> BN, ReLU, mean -> linear

Pre-ResNet: K. He, X. Zhang, S. Ren and J. Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016, section 4 and
appendix. A stage has (depth - 2) / 9 bottleneck blocks:

    image -> conv 3x3, 16 -> stage 64 -> stage 128, stride 2 -> stage 256, stride 2 -> BN, ReLU, mean -> linear

Residual students ("Born-Again Neural Networks", section 4.1 and table 5) replace each dense block of a DenseNet by
residual blocks of one width, at the same resolution. First convolution, transitions and classifier remain:

    image -> conv 3x3 -> blocks, transition -> blocks, transition -> blocks, transition -> BN, ReLU, mean -> linear

Each transition gives as many channels as the DenseNet's. So a student's first and last layer, and its features after
each stage, match its teacher's.

Shape suffixes: B batch, K channels, H W pixels, C classes.
"""

from __future__ import annotations

from typing import Literal, assert_never

from torch import Tensor, nn
from torch.nn.functional import relu

from bansweep.networks.densenet import Transition
from bansweep.networks.image_network import Stage, StagedNetwork

BlockKind = Literal["basic", "bottleneck"]


class WideResNet(StagedNetwork):
    """Wide-ResNet-`depth`-`width` for images (B, `in_channels`, H, W) of any size; gives logits (B, `classes`)."""

    def __init__(self, depth: int, width: int, *, in_channels: int, classes: int, dropout: float = 0.0) -> None:
        assert depth >= 10, f"a Wide-ResNet's depth is at least 10, not {depth}"
        assert (depth - 4) % 6 == 0, f"a Wide-ResNet's depth is 6n + 4, not {depth}"
        blocks = (depth - 4) // 6
        stem = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        stages = nn.Sequential(
            _stage(16, 16 * width, blocks=blocks, stride=1, dropout=dropout),
            _stage(16 * width, 32 * width, blocks=blocks, stride=2, dropout=dropout),
            _stage(32 * width, 64 * width, blocks=blocks, stride=2, dropout=dropout),
        )
        super().__init__(stem, stages, channels=64 * width, classes=classes)


class PreResNet(StagedNetwork):
    """Pre-activation ResNet-`depth` for images (B, `in_channels`, H, W) of any size; gives logits (B, `classes`)."""

    def __init__(self, depth: int, *, in_channels: int, classes: int) -> None:
        assert depth >= 11, f"a Pre-ResNet's depth is at least 11, not {depth}"
        assert (depth - 2) % 9 == 0, f"a Pre-ResNet's depth is 9n + 2, not {depth}"
        blocks = (depth - 2) // 9
        stem = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        stages = nn.Sequential(
            _bottleneck_stage(16, 64, blocks=blocks, stride=1),
            _bottleneck_stage(64, 128, blocks=blocks, stride=2),
            _bottleneck_stage(128, 256, blocks=blocks, stride=2),
        )
        super().__init__(stem, stages, channels=256, classes=classes)


class ResidualStudent(StagedNetwork):
    """`blocks` residual blocks a stage for images (B, `in_channels`, H, W) of 4x4 or more; gives logits (B, `classes`).

    `block_channels` is the width of each stage's blocks, `stage_channels` that of its transition's output. The
    first two transitions halve the resolution. `dropout` acts in transitions, as in the DenseNet.
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


class BasicBlock(nn.Module):
    """Pre-activation block: two times BN, ReLU, 3x3 convolution, with dropout between them, beside a shortcut.

    Where channels or resolution change, the shortcut is a 1x1 convolution of the *activated* input, as in the authors'
    code; elsewhere it is the input itself.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.projection: nn.Conv2d | None = None
        if in_channels != out_channels or stride != 1:
            self.projection = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)

    def forward(self, features_BKHW: Tensor) -> Tensor:
        activated = relu(self.norm1(features_BKHW), inplace=True)
        shortcut = features_BKHW if self.projection is None else self.projection(activated)
        hidden = relu(self.norm2(self.conv1(activated)), inplace=True)
        residual: Tensor = self.conv2(self.dropout(hidden))
        return residual + shortcut


class BottleneckBlock(nn.Module):
    """Pre-activation block: BN, ReLU before each of a 1x1, a 3x3 and a 1x1 convolution, beside a shortcut.

    The first convolution goes to `inner_channels` and takes the stride. Where channels or resolution change, the
    shortcut is a 1x1 convolution of the *activated* input; elsewhere it is the input itself. Both as in the authors'
    code.
    """

    def __init__(self, in_channels: int, inner_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, inner_channels, 1, stride=stride, bias=False)
        self.norm2 = nn.BatchNorm2d(inner_channels)
        self.conv2 = nn.Conv2d(inner_channels, inner_channels, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(inner_channels)
        self.conv3 = nn.Conv2d(inner_channels, out_channels, 1, bias=False)
        self.projection: nn.Conv2d | None = None
        if in_channels != out_channels or stride != 1:
            self.projection = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)

    def forward(self, features_BKHW: Tensor) -> Tensor:
        activated = relu(self.norm1(features_BKHW), inplace=True)
        shortcut = features_BKHW if self.projection is None else self.projection(activated)
        hidden = relu(self.norm2(self.conv1(activated)), inplace=True)
        hidden = relu(self.norm3(self.conv2(hidden)), inplace=True)
        residual: Tensor = self.conv3(hidden)
        return residual + shortcut


def _stage(in_channels: int, out_channels: int, *, blocks: int, stride: int, dropout: float) -> Stage:
    """Basic blocks of one width; the first one changes channels and resolution."""
    first = BasicBlock(in_channels, out_channels, stride=stride, dropout=dropout)
    others = (BasicBlock(out_channels, out_channels, stride=1, dropout=dropout) for _ in range(blocks - 1))
    return Stage(first, *others)


def _bottleneck_stage(in_channels: int, out_channels: int, *, blocks: int, stride: int) -> Stage:
    """Bottleneck blocks of one width, four times that of their inner convolution; the first one changes to it."""
    inner = out_channels // 4
    first = BottleneckBlock(in_channels, inner, out_channels, stride=stride)
    others = (BottleneckBlock(out_channels, inner, out_channels, stride=1) for _ in range(blocks - 1))
    return Stage(first, *others)


def _residual_block(kind: BlockKind, in_channels: int, out_channels: int) -> nn.Module:
    match kind:
        case "basic":
            return BasicBlock(in_channels, out_channels, stride=1, dropout=0.0)
        case "bottleneck":
            return BottleneckBlock(in_channels, max(1, round(out_channels / 4)), out_channels, stride=1)
        case _:
            assert_never(kind)
