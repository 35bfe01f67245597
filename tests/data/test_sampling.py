from __future__ import annotations

import torch

from bansweep.data.augmentation import epoch_generator, epoch_order


def test_an_epoch_visits_every_image_once() -> None:
    order = epoch_order(1_000, seed=3, epoch=5)
    assert order.dtype == torch.int64
    assert torch.equal(order.sort().values, torch.arange(1_000))


def test_an_order_is_a_function_of_seed_and_epoch() -> None:
    torch.manual_seed(0)
    first = epoch_order(100, seed=3, epoch=5)
    torch.rand(17)
    assert torch.equal(epoch_order(100, seed=3, epoch=5), first)
    assert not torch.equal(epoch_order(100, seed=3, epoch=6), first)
    assert not torch.equal(epoch_order(100, seed=4, epoch=5), first)


def test_drawing_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    epoch_order(100, seed=2**63 - 1, epoch=10**6)
    assert torch.equal(torch.rand(1), expected)


def test_purposes_do_not_share_their_chance() -> None:
    # Seed 1 in epoch 12 is not seed 11 in epoch 2, nor one purpose another.
    seeds = {
        epoch_generator(seed, epoch, purpose).initial_seed()
        for seed, epoch, purpose in [(1, 12, "order"), (11, 2, "order"), (1, 12, "views"), (12, 1, "order")]
    }
    assert len(seeds) == 4
