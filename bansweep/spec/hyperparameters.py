"""Hyperparameters by their keys: `recipe.learning_rate`, `loss.temperature`, `network.dropout`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pydantic import JsonValue, ValidationError

from bansweep.spec.distributions import plain_text
from bansweep.spec.losses import LossSpec
from bansweep.spec.model import SpecModel, nearest
from bansweep.spec.networks import NetworkSpec
from bansweep.spec.recipes import AnyRecipe

PARTS = ("recipe", "loss", "network")


class Hyperparameters(NamedTuple):
    """What a search may vary."""

    network: NetworkSpec
    loss: LossSpec
    recipe: AnyRecipe


class HyperparameterError(ValueError):
    """A key that is not there, or a value that it may not have.

    `place` is the key that is wrong, or the part (`recipe`) whose values do not go together.
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
    """The same with other values. Raises HyperparameterError, which says what is wrong with which key."""
    changed = {part: with_values_in(getattr(given, part), part, values) for part in _parts_of(values)}
    return given._replace(**changed)


def with_values_in(model: SpecModel, part: str, values: Mapping[str, JsonValue]) -> Any:
    """A part of the hyperparameters with other values, of which only its own count. Raises HyperparameterError."""
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


def _parts_of(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(map(part_of, keys)))


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
