"""DKPP's randomness: a function of seed, epoch, step and sample, and of nothing else."""

from __future__ import annotations

import torch

from bansweep.training.permutation_keys import PermutationKeys

BATCH = torch.tensor([5, 2, 9])


def keys(seed: int = 1, *, fixed: bool) -> PermutationKeys:
    return PermutationKeys(seed, samples=10, classes=4, fixed=fixed)


def test_fresh_keys_are_drawn_anew_for_each_step_and_again_the_same() -> None:
    drawn = keys(fixed=False).of_batch(1, 0, BATCH)
    assert drawn.shape == (3, 4)
    assert torch.equal(drawn, keys(fixed=False).of_batch(1, 0, BATCH))
    for other in (keys(fixed=False).of_batch(1, 1, BATCH), keys(fixed=False).of_batch(2, 0, BATCH)):
        assert not torch.equal(drawn, other)
    assert not torch.equal(drawn, keys(2, fixed=False).of_batch(1, 0, BATCH))


def test_fixed_keys_belong_to_the_sample() -> None:
    table = keys(fixed=True)
    assert torch.equal(table.of_batch(1, 0, BATCH), table.of_batch(7, 3, BATCH))
    assert torch.equal(table.of_batch(1, 0, BATCH)[[1]], table.of_batch(2, 0, torch.tensor([2])))
    assert not torch.equal(table.of_batch(1, 0, BATCH)[0], table.of_batch(1, 0, BATCH)[1])
