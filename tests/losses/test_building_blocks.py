"""The mean over a batch that several workers share."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bansweep.losses.building_blocks import GlobalBatch, local_batch, mean, weighted_mean


def not_summed(share: Tensor) -> Tensor:
    raise AssertionError(f"the workers were asked for the sum of {share}")


def test_one_worker_computes_the_weighted_mean() -> None:
    terms_B, weights_B = torch.tensor([2.0, 5.0, 11.0]), torch.tensor([1.0, 3.0, 4.0])

    assert weighted_mean(terms_B, weights_B, local_batch(3)).item() == pytest.approx((2 + 15 + 44) / 8)
    assert mean(terms_B, local_batch(3)).item() == 6.0


def test_a_share_is_divided_by_the_weight_of_the_global_batch() -> None:
    # Three samples here, five elsewhere whose weights sum to 12.
    terms_B, weights_B = torch.tensor([2.0, 5.0, 11.0]), torch.tensor([1.0, 3.0, 4.0])

    assert weighted_mean(terms_B, weights_B, GlobalBatch(8, lambda own: own + 12)).item() == pytest.approx(61 / 20)
    assert mean(terms_B, GlobalBatch(8, not_summed)).item() == pytest.approx(18 / 8)


def test_a_worker_without_samples_has_a_share_of_zero() -> None:
    nothing = torch.empty(0, requires_grad=True)

    share = mean(nothing, GlobalBatch(5, not_summed))
    share.backward()

    assert share.item() == 0.0
    assert nothing.grad is not None


def test_a_weight_with_a_gradient_is_refused() -> None:
    with pytest.raises(AssertionError, match="constant"):
        weighted_mean(torch.ones(2), torch.ones(2, requires_grad=True), local_batch(2))


def test_weights_are_not_broadcast() -> None:
    with pytest.raises(AssertionError, match="weights"):
        weighted_mean(torch.ones(3), torch.ones(1), local_batch(3))


def test_the_mean_divides_by_the_same_number_as_a_sum_of_counts_would() -> None:
    terms_B = torch.randn(1000, generator=torch.Generator().manual_seed(0), requires_grad=True)
    for samples in (1, 3, 7, 127, 128, 1000, 16_777_213):
        counted = terms_B.sum() / torch.full((), float(samples))
        known = mean(terms_B, local_batch(samples))
        assert known.item() == counted.float().item()
        gradients = [torch.autograd.grad(loss, terms_B)[0] for loss in (known, counted)]
        assert torch.equal(*gradients)
