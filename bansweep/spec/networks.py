"""What a sweep file may say of a network: a paper's name (`wrn-28-10`) or its parameters in full."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from bansweep.errors import DataError
from bansweep.spec.model import SpecModel

NAME_PATTERNS = ("wrn-DEPTH-WIDTH", "densenet-DEPTH-GROWTH")


class WideResNet(SpecModel):
    """Wide residual network (Zagoruyko & Komodakis, 2016): three stages of basic pre-activation blocks."""

    kind: Literal["wide-resnet"] = "wide-resnet"
    depth: int = Field(ge=10, le=4096)
    width: int = Field(ge=1, le=1024)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _depth_fits_blocks(self) -> Self:
        if (self.depth - 4) % 6:
            raise ValueError(f"a Wide-ResNet's depth is 6n + 4 (10, 16, 22, 28, 40, ...), not {self.depth}")
        return self

    @property
    def name(self) -> str:
        dropout = f"-dropout{self.dropout:g}" if self.dropout else ""
        return f"wrn-{self.depth}-{self.width}{dropout}"


class DenseNet(SpecModel):
    """DenseNet-BC (Huang et al., 2017): three dense blocks of floor((depth - 4) / 6) bottleneck units.

    `final_transition` adds a third 1x1 transition after the last block, which the counts of
    "Born-Again Neural Networks" imply and the original architecture lacks.
    """

    kind: Literal["densenet"] = "densenet"
    depth: int = Field(ge=10, le=4096)
    growth: int = Field(ge=1, le=4096)
    compression: float = Field(default=0.5, gt=0.0, le=1.0)
    final_transition: bool = True
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    @property
    def name(self) -> str:
        details = [
            f"-compression{self.compression:g}" if self.compression != 0.5 else "",
            "" if self.final_transition else "-standard",
            f"-dropout{self.dropout:g}" if self.dropout else "",
        ]
        return f"densenet-{self.depth}-{self.growth}{''.join(details)}"


# The paper calls one network 112-33, 116-33 and 106-33. Its printed 6.3 M parameters are those of
# DenseNet-BC-106-33 without the third transition (6.27 M), so that is what the name builds.
_PAPER_NAMES = {"densenet-112-33": DenseNet(depth=106, growth=33, final_transition=False)}


def network_from_name(name: str) -> WideResNet | DenseNet:
    """The network that a name such as `wrn-28-10` or `densenet-90-60` stands for.

    Raises ValueError for a name of no known pattern.
    """
    if name in _PAPER_NAMES:
        return _PAPER_NAMES[name]
    if match := re.fullmatch(r"wrn-(\d{1,4})-(\d{1,4})", name):
        return WideResNet(depth=int(match[1]), width=int(match[2]))
    if match := re.fullmatch(r"densenet-(\d{1,4})-(\d{1,4})", name):
        return DenseNet(depth=int(match[1]), growth=int(match[2]))
    raise ValueError(
        f"unknown network {name!r}; names are {' or '.join(NAME_PATTERNS)}, or write it in full: {{kind: ...}}"
    )


def _from_shorthand(value: Any) -> Any:
    return network_from_name(value) if isinstance(value, str) else value


NetworkSpec = Annotated[
    Annotated[WideResNet | DenseNet, Field(discriminator="kind")],
    BeforeValidator(_from_shorthand),
]


# Two halvings leave 2x2 pixels; below that, 3x3 convolutions would see padding on every side.
SMALLEST_SIDE = 8


def check_image_size(network: WideResNet | DenseNet, height: int, width: int) -> None:
    """Raises DataError for images (in pixels) that are smaller than a network takes."""
    if min(height, width) < SMALLEST_SIDE:
        raise DataError(
            f"{network.name} cannot take images of {height}x{width} pixels",
            remedy=f"images need at least {SMALLEST_SIDE}x{SMALLEST_SIDE} pixels: enlarge them in the data set",
        )
