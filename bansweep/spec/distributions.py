"""Where the values of a searched hyperparameter come from: `{loguniform: [0.01, 0.3]}`, or a list to choose from."""

from __future__ import annotations

import math
import random
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from bansweep.spec.model import SpecModel, nearest

Values = Annotated[tuple[JsonValue, ...], Field(min_length=1, max_length=10_000)]


class Grid(SpecModel):
    """Every one of the values, crossed with those of the other parameters."""

    kind: Literal["grid"] = "grid"
    values: Values


class Choice(SpecModel):
    """One of the values, each as likely as the others."""

    kind: Literal["choice"] = "choice"
    values: Values


class _Range(SpecModel):
    low: float
    high: float

    @model_validator(mode="after")
    def _has_a_width(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"the first number must be below the second, not {self.low:g} and {self.high:g}")
        return self


class Uniform(_Range):
    """A number between `low` and `high`."""

    kind: Literal["uniform"] = "uniform"


class LogUniform(_Range):
    """A number between `low` and `high`, whose logarithm is uniform."""

    kind: Literal["loguniform"] = "loguniform"
    low: float = Field(gt=0)


class Int(SpecModel):
    """A whole number from `low` to `high`, both included."""

    kind: Literal["int"] = "int"
    low: int
    high: int

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
    if not isinstance(value, dict) or "kind" in value:
        return value
    if len(value) != 1:
        raise ValueError("expected one distribution, such as {loguniform: [0.01, 0.3]} or {choice: [1, 2, 4]}")
    ((kind, given),) = value.items()
    if kind not in _RANGES + _LISTS:
        raise ValueError(f"unknown distribution {kind!r}; {nearest(str(kind), _RANGES + _LISTS)}")
    if not isinstance(given, list | tuple):
        raise ValueError(f"{kind} takes a list, such as {{{kind}: [1, 2]}}, not {given!r}")
    if kind in _LISTS:
        return {"kind": kind, "values": list(given)}
    if len(given) != 2:
        raise ValueError(f"{kind} takes two numbers, the lowest and the highest, not {len(given)}")
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
            return math.exp(chance.uniform(math.log(distribution.low), math.log(distribution.high)))
        case Uniform():
            return chance.uniform(distribution.low, distribution.high)


def extremes(distribution: AnyDistribution) -> tuple[JsonValue, ...]:
    """Values that stand for all: if a hyperparameter may have these, it may have any of the distribution's."""
    match distribution:
        case Grid() | Choice():
            return distribution.values
        case Uniform() | LogUniform() | Int():
            return (distribution.low, distribution.high)
