"""What a sweep file may say of a DenseNet, and the variants of one that the paper's table 4 compares."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator

from bansweep.config.base import SpecModel
from bansweep.config.network_names import INTEGER, NUMBER, number_text

_LARGEST = 4096

# The paper calls one network 112-33, 116-33 and 106-33. Its printed 6.3 M parameters are those of DenseNet-BC-106-33
# without the third transition (6.27 M), so that is what `densenet-112-33` builds. A network
# that really has 112 layers is named with `-transition` or `-standard`.
_PAPER_NAME = {"depth": 112, "growth": 33}
_PAPER_NETWORK = {"depth": 106, "growth": 33, "final_transition": False}


class DenseNet(SpecModel):
    """DenseNet-BC (Huang et al., 2017): three dense blocks of floor((depth - 4) / 6) bottleneck units.

    `final_transition` adds a third 1x1 transition after the last block, which the counts of
    "Born-Again Neural Networks" imply and the original architecture lacks. `stem` is the number of
    channels after the first convolution; None stands for twice the growth, and replaces it: one network, one identity.
    """

    name_pattern: ClassVar[str] = (
        "densenet-DEPTH-GROWTH[-stemN][-compressionC][-standard or -transition][-dropoutP][-depth*M or -compr*M] "
        "(suffixes in this order)"
    )
    downsampling: ClassVar[tuple[int, int, int]] = (2, 4, 4)

    kind: Literal["densenet"] = "densenet"
    depth: int = Field(ge=10, le=_LARGEST, description="layers; each block has floor((depth - 4) / 6) units")
    growth: int = Field(ge=1, le=_LARGEST, description="channels that each unit adds")
    stem: int | None = Field(
        default=None,
        ge=1,
        le=2 * _LARGEST,
        description="channels of the first convolution; twice the growth unless said otherwise",
    )
    compression: float = Field(default=0.5, gt=0.0, le=1.0, description="part of the channels that a transition keeps")
    final_transition: bool = Field(
        default=True,
        description="a third 1x1 transition after the last block, which the paper's parameter counts imply",
    )
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0, description="probability, after each convolution of a unit")

    @field_validator("stem")
    @classmethod
    def _twice_the_growth_is_the_default(cls, stem: int | None, info: ValidationInfo) -> int | None:
        return None if stem == 2 * info.data.get("growth", 0) else stem

    @property
    def units(self) -> int:
        """Bottleneck units in each of the three blocks."""
        return (self.depth - 4) // 6

    @property
    def stem_channels(self) -> int:
        """Output channels of the first convolution."""
        return 2 * self.growth if self.stem is None else self.stem

    @property
    def stage_channels(self) -> tuple[int, int, int]:
        """Channels after each stage, that is after its transition where it has one."""
        first = self._compressed(self.stem_channels)
        second = self._compressed(first)
        third = self._compressed(second) if self.final_transition else second + self.units * self.growth
        return first, second, third

    def _compressed(self, channels: int) -> int:
        return max(1, int((channels + self.units * self.growth) * self.compression))

    @property
    def name(self) -> str:
        transition = "-transition" if {"depth": self.depth, "growth": self.growth} == _PAPER_NAME else ""
        details = [
            "" if self.stem is None else f"-stem{self.stem}",
            f"-compression{number_text(self.compression)}" if self.compression != 0.5 else "",
            transition if self.final_transition else "-standard",
            f"-dropout{number_text(self.dropout)}" if self.dropout else "",
        ]
        return f"densenet-{self.depth}-{self.growth}{''.join(details)}"

    @classmethod
    def from_name(cls, name: str) -> Self | None:
        """The network of a name such as `densenet-90-60-depth*2`; None for a name of another pattern.

        Raises ValueError for a factor that leaves no whole numbers.
        """
        if variant := re.fullmatch(rf"(densenet-.+)-(depth|compr)\*{NUMBER}", name):
            base = cls.from_name(variant[1])
            factor = Fraction(variant[3])
            return base and (base.deepened(factor) if variant[2] == "depth" else base.scaled(factor))
        match = re.fullmatch(
            rf"densenet-{INTEGER}-{INTEGER}"
            rf"(?:-stem{INTEGER})?(?:-compression{NUMBER})?(-standard|-transition)?(?:-dropout{NUMBER})?",
            name,
        )
        if match is None:
            return None
        depth, growth, stem, compression, transition, dropout = match.groups()
        size: dict[str, Any] = {"depth": int(depth), "growth": int(growth)}
        if transition:
            size["final_transition"] = transition == "-transition"
        elif size == _PAPER_NAME:
            size = _PAPER_NETWORK
        details = {"stem": stem, "compression": compression, "dropout": dropout}
        return cls.model_validate(size | {field: float(text) for field, text in details.items() if text is not None})

    def deepened(self, factor: Fraction) -> Self:
        """`factor` times the units a block, each adding 1 / `factor` of the growth: table 4's "depth".

        The first convolution stays as it is, and with it the channels after every stage. Of 90-60, with 100 classes,
        that makes 21.35 / 13.74 / 12.95 / 12.60 M parameters for factors of 0.5, 2, 3, 4; printed: 21.2 / 13.7 /
        12.9 / 12.6 M. Raises ValueError where units or growth would not be whole.
        """
        if factor == 1:
            return self  # keeps the depth as written: the formula below gives the least of six equivalent ones
        product = self.units * self.growth
        fitting = {
            Fraction(units, self.units): units
            for units in range(1, min(product, (_LARGEST - 4) // 6) + 1)
            if product % units == 0 and product // units <= _LARGEST
        }
        if factor not in fitting:
            raise ValueError(
                f"depth*{_text(factor)} leaves no whole numbers of {self.name}'s {self.units} units a block (times M) "
                f"and growth of {self.growth} (divided by M); M can be {_nearest_factors(factor, fitting)}"
            )
        units = fitting[factor]
        return self._with(depth=6 * units + 4, growth=product // units, stem=self.stem_channels)

    def scaled(self, factor: Fraction) -> Self:
        """`factor` times the channels of the first convolution, of every unit and after every stage: "compression".

        Section 4.1 of the paper speaks of a "ratio of the original activation sizes", section 5 of "halving the number
        of filters after each spatial reduction". Of 90-60, with 100 classes, that makes 4.10 / 9.17 / 36.41 M
        parameters for factors of 0.5, 0.75, 1.5; no definition that we know gives the printed 5.1 / 10.1 / 80.5 M.
        Raises ValueError where channels would not be whole.
        """
        growth, stem = self.growth * factor, self.stem_channels * factor
        if not (growth.denominator == 1 and 1 <= growth <= _LARGEST and stem.denominator == 1 and stem <= 2 * _LARGEST):
            factors = (Fraction(one, self.growth) for one in range(1, _LARGEST + 1))
            fitting = {
                one for one in factors if (channels := self.stem_channels * one) == int(channels) <= 2 * _LARGEST
            }
            raise ValueError(
                f"compr*{_text(factor)} leaves no whole numbers of {self.name}'s growth of {self.growth} and "
                f"{self.stem_channels} channels of the first convolution (times M); "
                f"M can be {_nearest_factors(factor, fitting)}"
            )
        return self._with(growth=int(self.growth * factor), stem=int(self.stem_channels * factor))

    def _with(self, **changes: int | None) -> Self:
        return self.model_validate(self.model_dump() | changes)


def _text(factor: Fraction) -> str:
    return number_text(float(factor))


def _nearest_factors(wanted: Fraction, fitting: Iterable[Fraction]) -> str:
    """Up to eight of the factors that can be written with three decimals, those nearest to what was wanted."""
    written = [factor for factor in fitting if 1000 % factor.denominator == 0]
    chosen = sorted(sorted(written, key=lambda factor: abs(factor - wanted))[:8])
    return ", ".join(_text(factor) for factor in chosen)
