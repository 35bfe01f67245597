"""Hyperparameters change by their keys, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest

from bansweep.config.hyperparameters import HyperparameterError, Hyperparameters, with_values
from bansweep.config.losses import KdLoss
from bansweep.config.networks import DenseNet, WideResNet
from bansweep.config.recipes import WIDE_RESNET, Augmentation, Recipe

GIVEN = Hyperparameters(WideResNet(depth=10, width=1), KdLoss(), Recipe(**WIDE_RESNET))


def test_what_is_named_changes_and_the_rest_stays() -> None:
    changed = with_values(GIVEN, {"recipe.learning_rate": 0.3, "recipe.augmentation.pad": 2, "loss.temperature": 4})
    assert changed.network is GIVEN.network
    assert changed.loss == KdLoss(temperature=4)
    assert changed.recipe == Recipe(**{**WIDE_RESNET, "learning_rate": 0.3, "augmentation": Augmentation(pad=2)})
    assert GIVEN.recipe == Recipe(**WIDE_RESNET)
    assert with_values(GIVEN, {}) == GIVEN


def test_values_are_read_as_a_sweep_file_is() -> None:
    changed = with_values(GIVEN, {"recipe.decay_at": [0.5], "recipe.augmentation": None, "network.width": 2.0})
    assert isinstance(changed.recipe, Recipe)
    assert (changed.recipe.decay_at, changed.recipe.augmentation) == ((0.5,), None)
    assert changed.network == WideResNet(depth=10, width=2)


@pytest.mark.parametrize(
    ("values", "place", "message"),
    [
        ({"learning_rate": 1}, "learning_rate", "a key begins with recipe., loss. or network."),
        ({"recipe": 1}, "recipe", "a key begins with"),
        ({"recipe.": 1}, "recipe.", "a key begins with"),
        ({"recipe..epochs": 1}, "recipe..epochs", "a key begins with"),
        ({"recipe.learning_rat": 1}, "recipe.learning_rat", "'recipe' has no 'learning_rat'; did you mean"),
        ({"loss.smoothing": 1}, "loss.smoothing", "'kd' has no 'smoothing'; known: temperature"),
        ({"network.kind": "densenet"}, "network.kind", "kinds cannot be searched"),
        ({"recipe.decay_at.0": 1}, "recipe.decay_at.0", "recipe.decay_at is [0.3, 0.6, 0.8] here and has no parts"),
        ({"recipe.epochs": 1.5}, "recipe.epochs", "expected a whole number, not 1.5"),
        ({"recipe.augmentation": {"pod": 1}}, "recipe.augmentation.pod", "unknown key 'pod'"),
        ({"recipe.momentum": 0.0}, "recipe", "nesterov needs a momentum above 0"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(values: dict[str, Any], place: str, message: str) -> None:
    with pytest.raises(HyperparameterError) as caught:
        with_values(GIVEN, values)
    assert caught.value.place == place
    assert caught.value.message.startswith(message)


def test_parts_that_stay_are_not_looked_at() -> None:
    thin = GIVEN._replace(network=DenseNet(depth=40, growth=12))
    assert with_values(thin, {"recipe.epochs": 3}).network is thin.network
