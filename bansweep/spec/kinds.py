"""Whether data, networks, recipes and losses of a sweep are of one kind: for images, or for text."""

from __future__ import annotations

from collections.abc import Iterator

from bansweep.errors import KeyPath
from bansweep.spec.data import is_text
from bansweep.spec.losses import compares_stages
from bansweep.spec.networks import is_language_model
from bansweep.spec.recipes import AnyRecipe, LanguageRecipe
from bansweep.spec.sweep import SweepSpec


def kind_problems(sweep: SweepSpec) -> Iterator[tuple[KeyPath, str]]:
    """Yield (key path, message) for every network, recipe and loss that the sweep's data cannot be learnt with."""
    text = is_text(sweep.data)
    kind = sweep.data.kind
    networks = "lstm or cnn-lstm" if text else "wrn-28-10 or densenet-90-60"
    for index, row in enumerate(sweep.networks):
        if is_language_model(row.network) != text:
            yield ("networks", index), f"{row.network.name} cannot learn from {kind}; a network for it is {networks}"
        if row.recipe is not None and _reads_text(row.recipe) != text:
            yield ("networks", index, "recipe"), _recipe_message(kind, text)
    if _reads_text(sweep.recipe) != text:
        yield ("recipe",), _recipe_message(kind, text)
    if text and sweep.resources.recompute:
        yield ("resources", "recompute"), "language models keep their activations; remove it"
    for name, column in sweep.generations.items():
        if column.network is not None and is_language_model(column.network) != text:
            message = f"{column.network.name} cannot learn from {kind}; a network for it is {networks}"
            yield ("generations", name, "network"), message
        if text and column.shared_layers != "none":
            yield ("generations", name, "shared_layers"), "language models share no layers; remove it"
        if text and compares_stages(column.loss):
            message = "language models have no stages to compare; use kd or kd+labels"
            yield ("generations", name, "loss"), message


def _reads_text(recipe: AnyRecipe) -> bool:
    return isinstance(recipe, LanguageRecipe)


def _recipe_message(kind: str, text: bool) -> str:
    recipes = "lstm or cnn-lstm" if text else "wide-resnet"
    return f"this recipe is not for {kind}; one that is: {recipes}, or {{base: ..., ...}} with changes"
