"""DKPP's randomness: a function of seed, epoch, step and sample, and of nothing else."""

from __future__ import annotations

import pytest
import torch
from pretended_device import PretendedDevice

from bansweep.training import permutation_keys
from bansweep.training.permutation_keys import PermutationKeys
from bansweep.training.workers import Workers

BATCH = torch.tensor([5, 2, 9])


def keys(seed: int = 1, *, fixed: bool) -> PermutationKeys:
    return PermutationKeys("fixed" if fixed else "fresh", seed, samples=10, classes=4)


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


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("size", [1, 2])
def test_an_epochs_keys_are_those_of_its_steps_and_of_this_workers_samples(fixed: bool, size: int) -> None:
    batches = torch.randperm(10).split(3)
    for rank in range(size):
        workers = Workers(rank, size)
        of_epoch = list(keys(fixed=fixed).of_epoch(4, batches, workers=workers, device=torch.device("cpu")))
        assert len(of_epoch) == 4
        for step, batch in enumerate(batches):
            assert torch.equal(of_epoch[step], keys(fixed=fixed).of_batch(4, step, batch)[rank::size])


@pytest.mark.skipif(torch.cuda.is_available(), reason="pretends a device that this machine has")
@pytest.mark.parametrize("portion", [1, 2, 3, 100])
@pytest.mark.parametrize("fixed", [False, True])
def test_keys_are_copied_to_a_gpu_in_portions_that_change_nothing(
    portion: int, fixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permutation_keys, "BYTES_AT_A_TIME", portion * 3 * 4 * 4)
    batches = torch.arange(10).split(3)
    with PretendedDevice() as pretended:
        of_epoch = keys(fixed=fixed).of_epoch(4, batches, workers=Workers(), device=pretended.device)
        first = next(of_epoch)
        assert pretended.holds(first)
        steps_of_a_portion = min(portion * 3, 10)
        assert first.untyped_storage().nbytes() == steps_of_a_portion * 4 * 4
        copied = [first, *of_epoch]
        assert pretended.count == 0
    for step, batch in enumerate(batches):
        assert torch.equal(copied[step], keys(fixed=fixed).of_batch(4, step, batch))
