"""Residual networks in a sweep file: Wide-ResNet, Pre-ResNet, and the residual students of table 5."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from bansweep.config.base import SpecModel
from bansweep.config.densenet import DenseNet
from bansweep.config.network_names import INTEGER, NUMBER, depth_problem, number_text

# Of Wide-ResNet and Pre-ResNet: channels after the first convolution, and by what each stage divides the resolution.
_STEM_CHANNELS = 16
_DOWNSAMPLING = (1, 2, 4)

# The DenseNet of the paper's students, and of names without `-like`.
_PAPER_TEACHER = DenseNet(depth=90, growth=60)
_WORD = {"basic": "wide", "bottleneck": "pre"}
_BLOCK: dict[str, Literal["basic", "bottleneck"]] = {"wide": "basic", "pre": "bottleneck"}


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


def _named_densenet(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    densenet = DenseNet.from_name(value)
    if densenet is None:
        raise ValueError(f"{value!r} is no DenseNet's name, which is {DenseNet.name_pattern}")
    return densenet


class ResidualStudent(SpecModel):
    """A DenseNet (`like`) in which `blocks` pre-activation residual blocks replace each dense block.

    First convolution, transitions and classifier are the DenseNet's. Blocks are `ratio` times as wide as the output of
    their stage. A transition follows each stage, the last one without pooling; if the DenseNet has no final
    transition, the student's leads to as many channels as the DenseNet's last block gives.
    """

    name_pattern: ClassVar[str] = "ban-wide-resnet-BLOCKS-RATIO or ban-pre-resnet-BLOCKS-RATIO[-like-DENSENET]"
    downsampling: ClassVar[tuple[int, int, int]] = DenseNet.downsampling

    kind: Literal["residual-student"] = "residual-student"
    block: Literal["basic", "bottleneck"] = Field(description="two 3x3 convolutions, or a 3x3 between two 1x1")
    blocks: int = Field(ge=1, le=1024, description="in each of the three stages")
    ratio: float = Field(gt=0.0, le=4.0, description="width of the blocks, in parts of their stage's output")
    like: Annotated[DenseNet, BeforeValidator(_named_densenet)] = Field(
        description="the DenseNet whose place it takes, by name or in full"
    )

    @property
    def stem_channels(self) -> int:
        """Output channels of the first convolution: the DenseNet's."""
        return self.like.stem_channels

    @property
    def block_channels(self) -> tuple[int, int, int]:
        """The width of the blocks in each stage."""
        first, second, third = (max(1, round(self.ratio * channels)) for channels in self.stage_channels)
        return first, second, third

    @property
    def stage_channels(self) -> tuple[int, int, int]:
        """Channels after each stage: the DenseNet's."""
        return self.like.stage_channels

    @property
    def name(self) -> str:
        like = "" if self.like == _PAPER_TEACHER else f"-like-{self.like.name}"
        return f"ban-{_WORD[self.block]}-resnet-{self.blocks}-{number_text(self.ratio)}{like}"

    @classmethod
    def from_name(cls, name: str) -> Self | None:
        """The network of a name such as `ban-wide-resnet-4-0.5`; None for a name of another pattern.

        The paper calls `ban-wide-resnet-2-1` also `ban-match-wide-resnet-2-1`.
        """
        pattern = rf"ban-(?:(pre)|(?:match-)?(wide))-resnet-{INTEGER}-{NUMBER}(?:-like-(.+))?"
        match = re.fullmatch(pattern, name)
        if match is None:
            return None
        like = _PAPER_TEACHER if match[5] is None else _named_densenet(match[5])
        return cls(block=_BLOCK[match[1] or match[2]], blocks=int(match[3]), ratio=float(match[4]), like=like)
