"""The mean over a batch that several workers share."""

from __future__ import annotations

import pytest
import torch

from bansweep.losses.weighted_mean import local_batch, mean, weighted_mean


def test_one_worker_computes_the_weighted_mean() -> None:
    terms_B, weights_B = torch.tensor([2.0, 5.0, 11.0]), torch.tensor([1.0, 3.0, 4.0])

    assert weighted_mean(terms_B, weights_B, local_batch).item() == pytest.approx((2 + 15 + 44) / 8)
    assert mean(terms_B, local_batch).item() == 6.0


def test_a_share_is_divided_by_the_weight_of_the_global_batch() -> None:
    # Three samples here, five elsewhere whose weights sum to 12.
    terms_B, weights_B = torch.tensor([2.0, 5.0, 11.0]), torch.tensor([1.0, 3.0, 4.0])

    assert weighted_mean(terms_B, weights_B, lambda own: own + 12).item() == pytest.approx(61 / 20)
    assert mean(terms_B, lambda own: own + 5).item() == pytest.approx(18 / 8)


def test_a_worker_without_samples_has_a_share_of_zero() -> None:
    nothing = torch.empty(0, requires_grad=True)

    share = mean(nothing, lambda own: own + 5)
    share.backward()

    assert share.item() == 0.0
    assert nothing.grad is not None


def test_a_weight_with_a_gradient_is_refused() -> None:
    with pytest.raises(AssertionError, match="constant"):
        weighted_mean(torch.ones(2), torch.ones(2, requires_grad=True), local_batch)


def test_weights_are_not_broadcast() -> None:
    with pytest.raises(AssertionError, match="weights"):
        weighted_mean(torch.ones(3), torch.ones(1), local_batch)
