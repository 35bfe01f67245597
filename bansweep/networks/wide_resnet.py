"""Wide residual network: S. Zagoruyko and N. Komodakis, "Wide Residual Networks", BMVC 2016, table 1 and section 2.4.

    image -> conv 3x3, 16 -> stage 16w -> stage 32w, stride 2 -> stage 64w, stride 2 -> BN, ReLU, mean -> linear

A stage has (depth - 4) / 6 basic blocks B(3,3). Shape suffixes: B batch, K channels, H W pixels, C classes.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu

from bansweep.networks.stage import Stage
from bansweep.networks.staged import StagedNetwork


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


def _stage(in_channels: int, out_channels: int, *, blocks: int, stride: int, dropout: float) -> Stage:
    """Basic blocks of one width; the first one changes channels and resolution."""
    first = BasicBlock(in_channels, out_channels, stride=stride, dropout=dropout)
    others = (BasicBlock(out_channels, out_channels, stride=1, dropout=dropout) for _ in range(blocks - 1))
    return Stage(first, *others)


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
