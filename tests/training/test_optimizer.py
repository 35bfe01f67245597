"""The paper's schedule, and SGD against a hand-written step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bansweep.spec.recipes import RECIPES, Recipe
from bansweep.training.optimizer import build_optimizer, learning_rate

WIDE_RESNET = Recipe.model_validate(RECIPES["wide-resnet"])


@pytest.mark.parametrize(
    ("epochs_done", "rate"),
    [(0, 0.1), (59, 0.1), (60, 0.02), (119, 0.02), (120, 0.004), (159, 0.004), (160, 0.0008), (199, 0.0008)],
)
def test_the_papers_schedule(epochs_done: int, rate: float) -> None:
    assert learning_rate(WIDE_RESNET, epochs_done) == pytest.approx(rate)


def test_a_shorter_run_keeps_the_schedules_shape() -> None:
    short = WIDE_RESNET.model_copy(update={"epochs": 10})
    assert [round(learning_rate(short, epoch), 6) for epoch in range(10)] == [0.1] * 3 + [0.02] * 3 + [0.004] * 2 + [
        0.0008
    ] * 2


@pytest.mark.parametrize(
    ("epochs", "rates"), [(1, [0.1]), (2, [0.1, 0.02]), (3, [0.1, 0.02, 0.004]), (4, [0.1, 0.1, 0.02, 0.004])]
)
def test_very_short_runs_begin_at_the_full_rate(epochs: int, rates: list[float]) -> None:
    short = WIDE_RESNET.model_copy(update={"epochs": epochs})
    assert [learning_rate(short, done) for done in range(epochs)] == pytest.approx(rates)


def test_a_decay_is_not_late_by_a_rounding_error() -> None:
    recipe = WIDE_RESNET.model_copy(update={"epochs": 10, "decay_at": (0.7,)})
    assert learning_rate(recipe, 6) == pytest.approx(0.1)
    assert learning_rate(recipe, 7) == pytest.approx(0.02)


def test_two_steps_of_nesterov_momentum_with_weight_decay_by_hand() -> None:
    network = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(1.0)
    optimizer = build_optimizer(network, WIDE_RESNET.model_copy(update={"weight_decay": 0.5}))
    for gradient in (2.0, -1.0):
        network.weight.grad = torch.full_like(network.weight, gradient)
        optimizer.step()
    # g1 = 2 + 0.5 * 1 = 2.5, v1 = 2.5, w1 = 1 - 0.1 * (2.5 + 0.9 * 2.5) = 0.525
    # g2 = -1 + 0.5 * 0.525 = -0.7375, v2 = 0.9 * 2.5 + g2 = 1.5125, w2 = 0.525 - 0.1 * (g2 + 0.9 * 1.5125) = 0.462625
    assert network.weight.item() == pytest.approx(0.462625)
