"""What a sweep file may say of the residual networks: Wide-ResNet and Pre-ResNet."""

from __future__ import annotations

import re
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from bansweep.spec.model import SpecModel
from bansweep.spec.network_names import INTEGER, NUMBER, depth_problem, number_text

# The channels of both networks' first convolution, and by what their stages have reduced an image's resolution.
_STEM_CHANNELS = 16
_DOWNSAMPLING = (1, 2, 4)


class WideResNet(SpecModel):
    """Wide residual network (Zagoruyko & Komodakis, 2016): three stages of basic pre-activation blocks."""

    name_pattern: ClassVar[str] = "wrn-DEPTH-WIDTH[-dropoutP]"
    stem_channels: ClassVar[int] = _STEM_CHANNELS
    downsampling: ClassVar[tuple[int, int, int]] = _DOWNSAMPLING

    kind: Literal["wide-resnet"] = "wide-resnet"
    depth: int = Field(ge=10, le=4096, description="layers: 6 n + 4 for n blocks a stage")
    width: int = Field(ge=1, le=1024, description="times the channels of a thin network: 16, 32 and 64")
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0, description="probability, between a block's convolutions")

    @model_validator(mode="after")
    def _depth_fits_blocks(self) -> Self:
        if (self.depth - 4) % 6:
            raise ValueError(depth_problem("Wide-ResNet", self.depth, 6, 4))
        return self

    @property
    def stage_channels(self) -> tuple[int, int, int]:
        """Channels after each stage."""
        return 16 * self.width, 32 * self.width, 64 * self.width

    @property
    def name(self) -> str:
        dropout = f"-dropout{number_text(self.dropout)}" if self.dropout else ""
        return f"wrn-{self.depth}-{self.width}{dropout}"

    @classmethod
    def from_name(cls, name: str) -> Self | None:
        """The network of a name such as `wrn-28-10`; None for a name of another pattern."""
        match = re.fullmatch(rf"wrn-{INTEGER}-{INTEGER}(?:-dropout{NUMBER})?", name)
        if match is None:
            return None
        return cls(depth=int(match[1]), width=int(match[2]), dropout=float(match[3] or 0))


class PreResNet(SpecModel):
    """Pre-activation ResNet (He et al., 2016, "Identity Mappings"): three stages of bottleneck blocks, for CIFAR."""

    name_pattern: ClassVar[str] = "pre-resnet-DEPTH"
    stem_channels: ClassVar[int] = _STEM_CHANNELS
    stage_channels: ClassVar[tuple[int, int, int]] = (64, 128, 256)
    downsampling: ClassVar[tuple[int, int, int]] = _DOWNSAMPLING

    kind: Literal["pre-resnet"] = "pre-resnet"
    depth: int = Field(ge=11, le=4097, description="layers: 9 n + 2 for n blocks a stage")

    @model_validator(mode="after")
    def _depth_fits_blocks(self) -> Self:
        if (self.depth - 2) % 9:
            raise ValueError(depth_problem("Pre-ResNet", self.depth, 9, 2))
        return self

    @property
    def name(self) -> str:
        return f"pre-resnet-{self.depth}"

    @classmethod
    def from_name(cls, name: str) -> Self | None:
        """The network of a name such as `pre-resnet-1001`; None for a name of another pattern."""
        match = re.fullmatch(rf"pre-resnet-{INTEGER}", name)
        return None if match is None else cls(depth=int(match[1]))
