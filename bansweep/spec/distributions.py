"""Where the values of a searched hyperparameter come from: `{loguniform: [0.01, 0.3]}`, or a list to choose from."""

from __future__ import annotations

import json
import math
import random
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from bansweep.spec.model import SpecModel, nearest

Values = Annotated[tuple[JsonValue, ...], Field(min_length=1, max_length=10_000)]


class Grid(SpecModel):
    """Every one of the values, crossed with those of the other parameters."""

    kind: Literal["grid"] = "grid"
    values: Values = Field(description="all that are tried")


class Choice(SpecModel):
    """One of the values, each as likely as the others."""

    kind: Literal["choice"] = "choice"
    values: Values = Field(description="of these one is drawn; they may be lists, mappings or `null`")


class _Range(SpecModel):
    low: float = Field(description="the lowest")
    high: float = Field(description="the highest")

    @model_validator(mode="after")
    def _has_a_width(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"the first number must be below the second, not {self.low:g} and {self.high:g}")
        if not math.isfinite(self.high - self.low):
            raise ValueError(f"{self.low:g} and {self.high:g} are too far apart to draw numbers between them")
        return self


class Uniform(_Range):
    """A number between `low` and `high`."""

    kind: Literal["uniform"] = "uniform"


class LogUniform(_Range):
    """A number between `low` and `high`, whose logarithm is uniform."""

    kind: Literal["loguniform"] = "loguniform"
    low: float = Field(gt=0, description="the lowest")


class Int(SpecModel):
    """A whole number from `low` to `high`, both included."""

    kind: Literal["int"] = "int"
    low: int = Field(ge=-(2**53), le=2**53, description="the lowest")
    high: int = Field(ge=-(2**53), le=2**53, description="the highest")

    @model_validator(mode="after")
    def _has_a_width(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"the first number must be below the second, not {self.low} and {self.high}")
        return self


_RANGES = ("uniform", "loguniform", "int")
_LISTS = ("grid", "choice")


def _from_shorthand(value: Any) -> Any:
    """`[1, 2]`, `{choice: [1, 2]}`, `{uniform: [0, 1]}`, or a distribution in full."""
    if isinstance(value, list | tuple):
        return {"kind": "choice", "values": list(value)}
    if value is None or isinstance(value, SpecModel) or (isinstance(value, dict) and "kind" in value):
        return value
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(
            "expected a list of values, such as [1, 2, 4], or one distribution, such as {loguniform: [0.01, 0.3]}, "
            f"not {plain_text(value)}"
        )
    ((kind, given),) = value.items()
    if kind not in _RANGES + _LISTS:
        raise ValueError(f"unknown distribution {kind!r}; {nearest(str(kind), _RANGES + _LISTS)}")
    if not isinstance(given, list | tuple):
        raise ValueError(f"{kind} takes a list, such as {{{kind}: [1, 2]}}, not {plain_text(given)}")
    if kind in _LISTS:
        return {"kind": kind, "values": list(given)}
    if len(given) != 2:
        raise ValueError(f"{kind} takes two numbers, the lowest and the highest, not {plain_text(given)}")
    return {"kind": kind, "low": given[0], "high": given[1]}


AnyDistribution = Grid | Choice | Uniform | LogUniform | Int
Distribution = Annotated[
    Annotated[AnyDistribution, Field(discriminator="kind")],
    BeforeValidator(_from_shorthand),
]


def drawn(distribution: AnyDistribution, chance: random.Random) -> JsonValue:
    """A value of the distribution."""
    match distribution:
        case Grid() | Choice():
            return distribution.values[chance.randrange(len(distribution.values))]
        case Int():
            return chance.randint(distribution.low, distribution.high)
        case LogUniform():
            value = math.exp(chance.uniform(math.log(distribution.low), math.log(distribution.high)))
            return min(max(value, distribution.low), distribution.high)  # rounding can lead outside
        case Uniform():
            return chance.uniform(distribution.low, distribution.high)


# How many whole numbers from the lowest on are tried; what cannot be each of them cannot be some of these.
_TRIED = 64
# A part of a range that leads to a whole number only where nearly all parts do.
_INSIDE = 0.3819660112501051


def typical_values(distribution: AnyDistribution) -> tuple[JsonValue, ...]:
    """Values that stand for all, of a range its ends first.

    If a hyperparameter may have these, it may have any value of the distribution, by all that is known of them.
    """
    match distribution:
        case Grid() | Choice():
            return distribution.values
        case Int(low=low, high=high):
            return (low, high, *range(low + 1, min(high, low + _TRIED)))
        case Uniform(low=low, high=high):
            return (low, high, low + _INSIDE * (high - low))
        case LogUniform(low=low, high=high):
            return (low, high, math.exp(math.log(low) + _INSIDE * (math.log(high) - math.log(low))))


def plain_text(value: object) -> str:
    """A value as it would stand in a sweep file, cut where it is long."""
    text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


_LONGEST = 80
