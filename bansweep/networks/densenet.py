"""DenseNet-BC: G. Huang, Z. Liu, L. van der Maaten and K. Weinberger, "Densely Connected Convolutional Networks",
CVPR 2017, section 3.

    image -> conv 3x3, 2k -> block, transition -> block, transition -> block, [transition] -> BN, ReLU, mean -> linear

A block has floor((depth - 4) / 6) bottleneck units, each of which adds k (the growth) channels. The last transition, in
brackets, is not in that paper: the parameter counts in "Born-Again Neural Networks" (tables 2 and 4) imply it.

Narrow DenseNets are bound by memory traffic, not arithmetic. Each unit therefore concatenates once, two tensors
only (joining a growing list would scatter as many gradients as there are units), and every ReLU works in place. All
these concatenations are stored for the backward pass, in memory that grows with the square of a block's units. With
recomputed activations, concatenations of a growing list are recomputed as well: only what each unit adds is stored.
Shape suffixes: B batch, K channels, H W pixels, C classes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, relu

from bansweep.networks.image_network import Stage, StagedNetwork, recomputed


class BottleneckUnit(nn.Module):
    """BN, ReLU, 1x1 convolution to 4k channels, BN, ReLU, 3x3 convolution to k; its input passes through unchanged."""

    def __init__(self, in_channels: int, growth: int, *, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features_BKHW: Tensor) -> Tensor:
        return torch.cat((features_BKHW, self.added(features_BKHW)), dim=1)

    def added(self, features_BKHW: Tensor) -> Tensor:
        """What the unit adds to its input: (B, k, H, W)."""
        bottleneck = self.dropout(self.conv1(relu(self.norm1(features_BKHW), inplace=True)))
        new_BKHW: Tensor = self.dropout(self.conv2(relu(self.norm2(bottleneck), inplace=True)))
        return new_BKHW


class Transition(nn.Module):
    """BN, ReLU, 1x1 convolution and, where `pool`, 2x2 average pooling."""

    def __init__(self, in_channels: int, out_channels: int, *, pool: bool, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.pool = pool

    def forward(self, features_BKHW: Tensor) -> Tensor:
        activated = relu(self.norm(features_BKHW), inplace=True)
        if self.pool:
            # The paper pools after the convolution. Both are linear, and the convolution sees one pixel at a time, so
            # the order changes only the cost: a quarter of the arithmetic this way.
            activated = avg_pool2d(activated, 2)
        transition: Tensor = self.dropout(self.conv(activated))
        return transition


class DenseStage(Stage):
    """Bottleneck units and, but for the last stage of some networks, a transition."""

    def _recomputed(self, features_BKHW: Tensor) -> Tensor:
        parts = [features_BKHW]
        for unit in self:
            if isinstance(unit, BottleneckUnit):
                parts.append(recomputed(_of_concatenated(unit.added), *parts, unit=unit))
            else:
                parts = [recomputed(_of_concatenated(unit), *parts, unit=unit)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _of_concatenated(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda *parts_BKHW: function(torch.cat(parts_BKHW, dim=1))


class DenseNet(StagedNetwork):
    """DenseNet-BC-`depth`-`growth` for images (B, `in_channels`, H, W) of 4x4 or more; gives logits (B, `classes`).

    `stem_channels` is the number of channels after the first convolution, by default twice the growth. `compression` is
    the fraction of channels that a transition keeps (at least one). `final_transition` adds a transition without
    pooling after the last block. Dropout follows every convolution but the first.
    """

    def __init__(
        self,
        depth: int,
        growth: int,
        *,
        in_channels: int,
        classes: int,
        stem_channels: int | None = None,
        compression: float = 0.5,
        final_transition: bool = True,
        dropout: float = 0.0,
    ) -> None:
        assert depth >= 10, f"a DenseNet-BC's depth is at least 10, not {depth}"
        units = (depth - 4) // 6
        channels = 2 * growth if stem_channels is None else stem_channels
        stem = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        stages = nn.Sequential()
        for pool, has_transition in ((True, True), (True, True), (False, final_transition)):
            stage = DenseStage()
            for _ in range(units):
                stage.append(BottleneckUnit(channels, growth, dropout=dropout))
                channels += growth
            if has_transition:
                compressed = max(1, int(channels * compression))
                stage.append(Transition(channels, compressed, pool=pool, dropout=dropout))
                channels = compressed
            stages.append(stage)
        super().__init__(stem, stages, channels=channels, classes=classes)
