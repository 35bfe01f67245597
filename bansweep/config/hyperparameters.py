"""Hyperparameters by their keys (`recipe.learning_rate`), and the distributions of their values."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, JsonValue, ValidationError, model_validator

from bansweep.config.base import SpecModel, nearest
from bansweep.config.losses import LossSpec
from bansweep.config.networks import NetworkSpec
from bansweep.config.recipes import AnyRecipe
from bansweep.formatting import setting_text

PARTS = ("recipe", "loss", "network")
"""What hyperparameters belong to: the first part of their keys."""

_RANGES = ("uniform", "loguniform", "int")
_LISTS = ("grid", "choice")

# How many whole numbers of a range are tried, from the lowest on: if some are invalid, some of these are.
_TRIED = 64
# A fraction of a range at which a whole number lies only where nearly all fractions give one.
_INSIDE = 0.3819660112501051
_LONGEST = 80

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
            raise ValueError(
                f"the first number must be below the second, not {setting_text(self.low)} and {setting_text(self.high)}"
            )
        if not math.isfinite(self.high - self.low):
            raise ValueError(
                f"{setting_text(self.low)} and {setting_text(self.high)} are too far apart to draw numbers between them"
            )
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
            return min(max(value, distribution.low), distribution.high)  # rounding can leave the range
        case Uniform():
            return chance.uniform(distribution.low, distribution.high)


def typical_values(distribution: AnyDistribution) -> tuple[JsonValue, ...]:
    """Values that represent all of them; of a range, its ends come first.

    If these are valid for a hyperparameter, every value of the distribution should be.
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


class Hyperparameters(NamedTuple):
    """What a search may vary."""

    network: NetworkSpec
    loss: LossSpec
    recipe: AnyRecipe


class HyperparameterError(ValueError):
    """An unknown key, or an invalid value.

    `place` is the key that is wrong, or the part (`recipe`) whose values contradict each other.
    """

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}")
        self.place = place
        self.message = message


def part_of(key: str) -> str:
    """What a key belongs to, one of PARTS. Raises HyperparameterError."""
    part, *path = key.split(".")
    if part not in PARTS or not path or not all(path):
        raise HyperparameterError(key, "a key begins with recipe., loss. or network., such as recipe.learning_rate")
    return part


def with_values(given: Hyperparameters, values: Mapping[str, JsonValue]) -> Hyperparameters:
    """The same with other values. Raises HyperparameterError, which names the key and its problem."""
    changed = {part: with_values_in(getattr(given, part), part, values) for part in dict.fromkeys(map(part_of, values))}
    return given._replace(**changed)


def with_values_in(model: SpecModel, part: str, values: Mapping[str, JsonValue]) -> Any:
    """A part of the hyperparameters with those of the values that belong to it. Raises HyperparameterError."""
    contents: dict[str, Any] = model.model_dump()
    for key, value in values.items():
        if part_of(key) == part:
            _set(contents, key, value)
    try:
        return type(model).model_validate(contents)
    except ValidationError as error:
        line = error.errors(include_url=False)[0]
        place = ".".join(map(str, (part, *line["loc"])))
        raise HyperparameterError(place, line["msg"].removeprefix("Value error, ")) from None


def _set(contents: dict[str, Any], key: str, value: JsonValue) -> None:
    part, *path = key.split(".")
    if path == ["kind"]:
        raise HyperparameterError(key, "kinds cannot be searched: give them rows or columns of their own")
    target: Any = contents
    for depth, step in enumerate(path):
        if not isinstance(target, dict):
            whole = ".".join((part, *path[:depth]))
            raise HyperparameterError(key, f"{whole} is {plain_text(target)} here and has no parts")
        if step not in target:
            owner, known = contents.get("kind", part), [name for name in target if name != "kind"]
            raise HyperparameterError(key, f"{owner!r} has no {'.'.join(path)!r}; {nearest(step, known)}")
        if depth == len(path) - 1:
            target[step] = value
        target = target[step]


def plain_text(value: object) -> str:
    """A value as in a sweep file, cut if it is long."""
    text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
