"""The random keys of DKPP, as functions of seed, epoch and step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from bansweep.config.losses import DkppLoss, LossSpec
from bansweep.data.host_to_device import to_device
from bansweep.graph.generation import derived_seed
from bansweep.training.workers import Workers

# Bounds the keys that are drawn ahead of their steps. An epoch of CIFAR-100 takes 20 MB.
BYTES_AT_A_TIME = 8_000_000


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

    def of_epoch(
        self, epoch: int, batches: Sequence[Tensor], *, workers: Workers, device: torch.device
    ) -> Iterator[Tensor]:
        """This worker's keys (B, C) for each global batch of an epoch, on `device`; `batches` lie on the CPU.

        For a GPU, keys are drawn and copied for several steps at a time, at most `BYTES_AT_A_TIME` of them or one step.
        """
        steps = 1
        if device.type == "cuda" and batches:
            bytes_of_a_step = max(1, 4 * self._classes * len(workers.share(batches[0])))
            steps = max(1, BYTES_AT_A_TIME // bytes_of_a_step)
        for first in range(0, len(batches), steps):
            drawn = [
                workers.share(self.of_batch(epoch, step, batches[step]))
                for step in range(first, min(first + steps, len(batches)))
            ]
            keys = to_device(torch.cat(drawn) if len(drawn) > 1 else drawn[0], device)
            yield from keys.split([len(keys_BC) for keys_BC in drawn])

    def of_batch(self, epoch: int, step: int, indices_B: Tensor) -> Tensor:
        """Uniform keys (B, C) in [0, 1) for the samples of a global batch; `indices_B` lies on the CPU."""
        if self._keys_NC is not None:
            return self._keys_NC[indices_B]
        return self._draw(len(indices_B), "dkpp", epoch, step)

    def _draw(self, rows: int, *purpose: object) -> Tensor:
        generator = torch.Generator().manual_seed(derived_seed(self._seed, *purpose))
        return torch.rand(rows, self._classes, generator=generator)
