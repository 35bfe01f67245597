"""Random numbers as functions of (seed, epoch, purpose): nothing to save for a resume, nothing shared between uses."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def derived_seed(seed: int, *purpose: object) -> int:
    """A seed in [0, 2**63) of its own for each purpose, such as (`"dropout"`, epoch, rank)."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


class PermutationKeys:
    """The random keys by which DKPP permutes the teacher's dark knowledge (Eq. 11), for whole global batches.

    `fixed` gives a sample the same keys in every epoch, else each step draws its own. Drawn on the CPU for the global
    batch, so that neither device nor number of workers changes them.
    """

    def __init__(self, seed: int, *, samples: int, classes: int, fixed: bool) -> None:
        self._seed = seed
        self._classes = classes
        self._keys_NC = self._draw(samples, "dkpp") if fixed else None

    def of_batch(self, epoch: int, step: int, indices_B: Tensor) -> Tensor:
        """Uniform keys (B, C) in [0, 1) for the samples of a global batch; `indices_B` lies on the CPU."""
        if self._keys_NC is not None:
            return self._keys_NC[indices_B]
        return self._draw(len(indices_B), "dkpp", epoch, step)

    def _draw(self, rows: int, *purpose: object) -> Tensor:
        generator = torch.Generator().manual_seed(derived_seed(self._seed, *purpose))
        return torch.rand(rows, self._classes, generator=generator)
