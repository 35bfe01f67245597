"""The paper's schedule, and SGD against a hand-written step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bansweep.config.recipes import RECIPES, LanguageRecipe, Recipe
from bansweep.training.optimizer import build_optimizer, learning_rate, plateau_learning_rate

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


@pytest.mark.parametrize(
    ("perplexities", "decays"),
    [
        ([], 0),
        ([300.0], 0),
        ([300.0, 200.0, 150.0], 0),
        ([300.0, 200.0, 200.0], 1),
        ([300.0, 200.0, 210.0, 205.0], 1),
        ([300.0, 310.0, 320.0, 319.0], 2),
        ([300.0, float("inf"), 100.0], 1),
    ],
)
def test_the_lstms_rate_falls_to_a_quarter_after_an_epoch_without_progress(
    perplexities: list[float], decays: int
) -> None:
    recipe = LanguageRecipe.model_validate(RECIPES["lstm"])
    assert plateau_learning_rate(recipe, perplexities) == pytest.approx(0.25**decays)


@pytest.mark.parametrize(("fell", "halved"), [(1.0, False), (0.5, False), (0.49, True), (0.0, True), (-3.0, True)])
def test_the_cnn_lstms_rate_halves_unless_the_perplexity_falls_by_half_a_point(fell: float, halved: bool) -> None:
    recipe = LanguageRecipe.model_validate(RECIPES["cnn-lstm"])
    assert plateau_learning_rate(recipe, [100.0, 100.0 - fell]) == (1.0 if halved else 2.0)
