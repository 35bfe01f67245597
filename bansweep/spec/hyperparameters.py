"""Hyperparameters by their keys: `recipe.learning_rate`, `loss.temperature`, `network.dropout`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import JsonValue, ValidationError

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


def with_values(given: Hyperparameters, values: Mapping[str, JsonValue]) -> Hyperparameters:
    """The same with other values. Raises ValueError, which says what is wrong with which key."""
    contents: dict[str, Any] = {part: getattr(given, part).model_dump() for part in PARTS}
    for key, value in values.items():
        _set(contents, key, value)
    changed: dict[str, Any] = {}
    for part in PARTS:
        model: SpecModel = getattr(given, part)
        try:
            changed[part] = type(model).model_validate(contents[part])
        except ValidationError as error:
            line = error.errors(include_url=False)[0]
            place = ".".join(map(str, (part, *line["loc"])))
            raise ValueError(f"{place}: {line['msg']}") from None
    return Hyperparameters(**changed)


def _set(contents: dict[str, Any], key: str, value: JsonValue) -> None:
    part, *path = key.split(".")
    if part not in PARTS or not path:
        raise ValueError("a key begins with recipe., loss. or network., such as recipe.learning_rate")
    if path == ["kind"]:
        raise ValueError("kinds cannot be searched: give them rows or columns of their own")
    target: Any = contents[part]
    for depth, step in enumerate(path):
        if not isinstance(target, dict):
            raise ValueError(f"{'.'.join((part, *path[:depth]))} is {target!r} here and has no parts")
        if step not in target:
            owner, known = contents[part].get("kind", part), [name for name in target if name != "kind"]
            raise ValueError(f"{owner!r} has no {'.'.join(path)!r}; {nearest(step, known)}")
        if depth == len(path) - 1:
            target[step] = value
        target = target[step]
