"""SGD and its schedules: by epochs for images, by the validation perplexity for language models (section 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from bansweep.config.recipes import LanguageRecipe, Recipe

_ROUNDING = 1e-9  # 0.7 * 10 is a little more than 7


def build_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """The recipe's optimizer over all parameters that learn; weight decay acts on all of them, as in its source."""
    return torch.optim.SGD(
        [parameter for parameter in network.parameters() if parameter.requires_grad],
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        # The same bits in fewer calls; `fused` would be faster still, and round differently.
        foreach=True,
    )


def learning_rate(recipe: Recipe, epochs_done: int) -> float:
    """The learning rate of the epoch that follows `epochs_done` finished ones.

    With 200 epochs and the named recipe: 0.1, and a fifth of it again after 60, 120 and 160 epochs. A decay waits for
    the end of the epoch in which its fraction lies, so that every run begins at the full rate.
    """
    decays = sum(epochs_done >= math.ceil(fraction * recipe.epochs - _ROUNDING) for fraction in recipe.decay_at)
    return recipe.learning_rate * recipe.decay_factor**decays


def build_language_optimizer(model: nn.Module, recipe: LanguageRecipe) -> torch.optim.SGD:
    """Plain SGD over all parameters."""
    return torch.optim.SGD(model.parameters(), lr=recipe.learning_rate, foreach=True)


def plateau_learning_rate(recipe: LanguageRecipe, validation_perplexities: Sequence[float]) -> float:
    """The learning rate of the epoch that follows those which ended with these perplexities.

    A function of the history only, so that a resumed run follows the same schedule.
    """
    rate = recipe.learning_rate
    for before, after in pairwise(validation_perplexities):
        fell = before - after
        if not (fell > 0 and fell >= recipe.decay_threshold):
            rate *= recipe.decay_factor
    return rate


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
