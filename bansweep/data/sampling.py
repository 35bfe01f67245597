"""Randomness that is a function of (seed, epoch): the same for any number of workers, and after any restart."""

from __future__ import annotations

import torch

from bansweep.plan.seeds import derived_seed


def epoch_order(images: int, seed: int, epoch: int) -> torch.Tensor:
    """The order in which an epoch visits the training images: a permutation of 0..images-1, int64, on the CPU."""
    return torch.randperm(images, generator=epoch_generator(seed, epoch, "order"))


def epoch_generator(seed: int, epoch: int, purpose: str) -> torch.Generator:
    """A CPU generator of its own for each (seed, epoch, purpose), so that no use of chance shifts another."""
    return torch.Generator().manual_seed(derived_seed(seed, epoch, purpose))
