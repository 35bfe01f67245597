"""The random keys of DKPP, as functions of seed, epoch and step."""

from __future__ import annotations

import torch
from torch import Tensor

from bansweep.plan.seeds import derived_seed
from bansweep.spec.losses import DkppLoss, LossSpec


class PermutationKeys:
    """The random keys by which DKPP permutes the teacher's dark knowledge (Eq. 11), for whole global batches.

    `fixed` gives a sample the same keys in every epoch, else each step draws its own. Drawn on the CPU for the global
    batch, so that neither device nor number of workers changes them.
    """

    def __init__(self, seed: int, *, samples: int, classes: int, fixed: bool) -> None:
        self._seed = seed
        self._classes = classes
        self._keys_NC = self._draw(samples, "dkpp") if fixed else None

    @classmethod
    def of_loss(cls, loss: LossSpec, seed: int, *, samples: int, classes: int) -> PermutationKeys:
        """The keys that a loss asks for, of a training set of `samples`."""
        fixed = isinstance(loss, DkppLoss) and loss.permutation == "fixed"
        return cls(seed, samples=samples, classes=classes, fixed=fixed)

    def of_batch(self, epoch: int, step: int, indices_B: Tensor) -> Tensor:
        """Uniform keys (B, C) in [0, 1) for the samples of a global batch; `indices_B` lies on the CPU."""
        if self._keys_NC is not None:
            return self._keys_NC[indices_B]
        return self._draw(len(indices_B), "dkpp", epoch, step)

    def _draw(self, rows: int, *purpose: object) -> Tensor:
        generator = torch.Generator().manual_seed(derived_seed(self._seed, *purpose))
        return torch.rand(rows, self._classes, generator=generator)
