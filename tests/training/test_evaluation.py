"""Error and loss against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from bansweep.training.evaluation import error_and_loss


def test_error_and_loss_by_hand() -> None:
    probabilities = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.25, 0.5, 0.25]])
    labels = torch.tensor([0, 2, 1, 1])
    error, loss = error_and_loss(probabilities, labels)
    assert error == 25.0
    assert loss == pytest.approx(-(math.log(0.5) + math.log(0.7) + math.log(0.3) + math.log(0.5)) / 4)


def test_a_probability_of_zero_costs_much_but_not_infinitely() -> None:
    _, loss = error_and_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([1]))
    assert 80 < loss < 100
