"""Pre-activation residual network for small images: K. He, X. Zhang, S. Ren and J. Sun, "Identity Mappings in Deep
Residual Networks", ECCV 2016, section 4 and appendix.

    image -> conv 3x3, 16 -> stage 64 -> stage 128, stride 2 -> stage 256, stride 2 -> BN, ReLU, mean -> linear

A stage has (depth - 2) / 9 bottleneck blocks. Shape suffixes: B batch, K channels, H W pixels, C classes.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu

from bansweep.networks.stage import Stage
from bansweep.networks.staged import StagedNetwork


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


def _stage(in_channels: int, out_channels: int, *, blocks: int, stride: int) -> Stage:
    """Bottleneck blocks of one width, four times that of their inner convolution; the first one changes to it."""
    inner = out_channels // 4
    first = BottleneckBlock(in_channels, inner, out_channels, stride=stride)
    others = (BottleneckBlock(out_channels, inner, out_channels, stride=1) for _ in range(blocks - 1))
    return Stage(first, *others)


class PreResNet(StagedNetwork):
    """Pre-activation ResNet-`depth` for images (B, `in_channels`, H, W) of any size; gives logits (B, `classes`)."""

    def __init__(self, depth: int, *, in_channels: int, classes: int) -> None:
        assert depth >= 11, f"a Pre-ResNet's depth is at least 11, not {depth}"
        assert (depth - 2) % 9 == 0, f"a Pre-ResNet's depth is 9n + 2, not {depth}"
        blocks = (depth - 2) // 9
        stem = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        stages = nn.Sequential(
            _stage(16, 64, blocks=blocks, stride=1),
            _stage(64, 128, blocks=blocks, stride=2),
            _stage(128, 256, blocks=blocks, stride=2),
        )
        super().__init__(stem, stages, channels=256, classes=classes)
