"""What a sweep file may say of a residual network that takes a DenseNet's place (table 5 of the paper)."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field

from bansweep.spec.densenet import DenseNet
from bansweep.spec.model import SpecModel
from bansweep.spec.network_names import INTEGER, NUMBER, number_text

# What the paper's students are like, and names mean that do not say otherwise.
_PAPER_TEACHER = DenseNet(depth=90, growth=60)
_WORD = {"basic": "wide", "bottleneck": "pre"}
_BLOCK: dict[str, Literal["basic", "bottleneck"]] = {"wide": "basic", "pre": "bottleneck"}


def _named_densenet(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    densenet = DenseNet.from_name(value)
    if densenet is None:
        raise ValueError(f"{value!r} is no DenseNet's name, which is {DenseNet.name_pattern}")
    return densenet


class ResidualStudent(SpecModel):
    """A DenseNet (`like`) whose dense blocks give way to `blocks` pre-activation residual blocks each.

    First convolution, transitions and classifier are the DenseNet's. Blocks are `ratio` times as wide as the output of
    their stage. A transition follows each stage, the last one without pooling; where the DenseNet has no final
    transition, the student has one all the same, to as many channels as the DenseNet's last block gives.
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
