"""Views: which crop and flip a training image shows in an epoch, as functions of (seed, epoch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from bansweep.config.recipes import Augmentation
from bansweep.data.host_to_device import to_device
from bansweep.graph.generation import derived_seed


def epoch_order(images: int, seed: int, epoch: int) -> torch.Tensor:
    """The order in which an epoch visits the training images: a permutation of 0..images-1, int64, on the CPU."""
    return torch.randperm(images, generator=epoch_generator(seed, epoch, "order"))


def epoch_generator(seed: int, epoch: int, purpose: str) -> torch.Generator:
    """A separate CPU generator for each (seed, epoch, purpose), so that one use of randomness never shifts another."""
    return torch.Generator().manual_seed(derived_seed(seed, epoch, purpose))


@dataclass(frozen=True)
class Views:
    """A view of each of N images, by position in the training set.

    `dy_N` and `dx_N` (int64, in [0, 2 * pad]) are the crop's offset in the padded image, of which (pad, pad) is the
    image itself; `flip_N` (bool) mirrors the crop left to right.
    """

    dy_N: torch.Tensor
    dx_N: torch.Tensor
    flip_N: torch.Tensor
    pad: int
    fill: Literal["reflect", "zero"]

    def __len__(self) -> int:
        return len(self.flip_N)

    def to(self, device: torch.device | str) -> Views:
        """The same views on another device."""
        dy_N, dx_N, flip_N = (to_device(values_N, device) for values_N in (self.dy_N, self.dx_N, self.flip_N))
        return Views(dy_N, dx_N, flip_N, self.pad, self.fill)

    @property
    def numbers(self) -> torch.Tensor:
        """Each view's number in [0, views_per_image), int64 (N,): with the image's index, a key for teacher targets."""
        return (self.dy_N * (2 * self.pad + 1) + self.dx_N) * 2 + self.flip_N


def views_per_image(augmentation: Augmentation | None) -> int:
    """How many views an image has, as `Views.numbers` counts: 162 for a pad of 4."""
    return 1 if augmentation is None else 2 * (2 * augmentation.pad + 1) ** 2


def draw_views(augmentation: Augmentation, images: int, seed: int, epoch: int) -> Views:
    """The views of all `images` training images in an epoch, on the CPU.

    A function of its arguments alone: workers draw the same views whatever their number and share of the images.
    """
    generator = epoch_generator(seed, epoch, "views")
    offsets = 2 * augmentation.pad + 1
    dy_N = torch.randint(offsets, (images,), generator=generator)
    dx_N = torch.randint(offsets, (images,), generator=generator)
    heads_N = torch.randint(2, (images,), generator=generator).bool()
    flip_N = heads_N if augmentation.flip else torch.zeros_like(heads_N)
    return Views(dy_N, dx_N, flip_N, augmentation.pad, augmentation.fill)
