from __future__ import annotations

import pytest
import torch
from scipy.stats import chisquare

from bansweep.config.recipes import Augmentation
from bansweep.data.augmentation import draw_views, views_per_image


def test_views_are_a_function_of_seed_and_epoch() -> None:
    torch.manual_seed(0)
    first = draw_views(Augmentation(), 200, seed=1, epoch=2)
    torch.rand(17)
    assert torch.equal(draw_views(Augmentation(), 200, seed=1, epoch=2).numbers, first.numbers)
    assert not torch.equal(draw_views(Augmentation(), 200, seed=1, epoch=3).numbers, first.numbers)
    assert not torch.equal(draw_views(Augmentation(), 200, seed=2, epoch=2).numbers, first.numbers)


def test_all_views_are_equally_likely() -> None:
    views = draw_views(Augmentation(pad=4), 162 * 300, seed=0, epoch=0)
    counts = torch.bincount(views.numbers, minlength=162)
    assert counts.shape == (162,)
    assert chisquare(counts.numpy()).pvalue > 1e-3


def test_consecutive_epochs_are_independent() -> None:
    # 42% of 200 epochs' views of an image are ones that it has shown before, with 162 equally likely ones.
    numbers = torch.stack([draw_views(Augmentation(), 500, seed=0, epoch=epoch).numbers for epoch in range(200)])
    distinct = sum(len(column.unique()) for column in numbers.T) / numbers.numel()
    assert 1 - distinct == pytest.approx(1 - 162 / 200 * (1 - (161 / 162) ** 200), abs=0.01)


def test_numbers_tell_views_apart() -> None:
    views = draw_views(Augmentation(pad=1), 2_000, seed=0, epoch=0)
    triples = list(zip(views.dy_N.tolist(), views.dx_N.tolist(), views.flip_N.tolist(), strict=True))
    assert len(set(triples)) == len(set(views.numbers.tolist())) == views_per_image(Augmentation(pad=1)) == 18
    assert len(set(zip(triples, views.numbers.tolist(), strict=True))) == 18
    assert max(views.numbers) == 17


def test_what_is_off_stays_off() -> None:
    views = draw_views(Augmentation(pad=0, flip=False), 100, seed=0, epoch=0)
    assert not views.flip_N.any()
    assert not views.dy_N.any()
    assert not views.dx_N.any()
    # Crops do not depend on whether images are flipped.
    flipped, straight = (draw_views(Augmentation(flip=flip), 100, seed=0, epoch=0) for flip in (True, False))
    assert torch.equal(flipped.dy_N, straight.dy_N)
    assert torch.equal(flipped.dx_N, straight.dx_N)


def test_views_per_image_counts_crops_and_flips() -> None:
    assert views_per_image(Augmentation(pad=4)) == 162
    assert views_per_image(None) == 1
