"""SGD with momentum, and the step schedule (the paper's section 4, after Zagoruyko & Komodakis)."""

from __future__ import annotations

import math

import torch
from torch import nn

from bansweep.spec.recipes import Recipe

_ROUNDING = 1e-9  # 0.7 * 10 is a little more than 7


def build_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """The recipe's optimizer over all parameters that learn; weight decay acts on all of them, as in its source."""
    return torch.optim.SGD(
        [parameter for parameter in network.parameters() if parameter.requires_grad],
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )


def learning_rate(recipe: Recipe, epochs_done: int) -> float:
    """The learning rate of the epoch that follows `epochs_done` finished ones.

    With 200 epochs and the named recipe: 0.1, and a fifth of it again after 60, 120 and 160 epochs. A decay waits for
    the end of the epoch in which its fraction lies, so that every run begins at the full rate.
    """
    decays = sum(epochs_done >= math.ceil(fraction * recipe.epochs - _ROUNDING) for fraction in recipe.decay_at)
    return recipe.learning_rate * recipe.decay_factor**decays


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
