"""The random keys of DKPP, as functions of seed, epoch and step. Drawn on the CPU for the global batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from bansweep.config.losses import Permutation
from bansweep.data.host_to_device import to_device
from bansweep.graph.generation import derived_seed
from bansweep.training.workers import Workers

# Bounds the keys that are drawn ahead of their steps. An epoch of CIFAR-100 takes 20 MB.
BYTES_AT_A_TIME = 8_000_000


class PermutationKeys:
    """The random keys by which DKPP permutes the teacher's dark knowledge (Eq. 11), for whole global batches.

    `fixed` gives a sample the same keys in every epoch, `fresh` gives each step its own. Neither device nor number of
    workers changes them.
    """

    def __init__(self, permutation: Permutation, seed: int, *, samples: int, classes: int) -> None:
        self._seed = seed
        self._classes = classes
        self._keys_NC = _drawn(seed, "dkpp", shape=(samples, classes)) if permutation == "fixed" else None

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
        return _drawn(self._seed, "dkpp", epoch, step, shape=(len(indices_B), self._classes))


class WindowKeys:
    """The random keys for a text, window by window; its samples are the time steps (T) of its streams (B)."""

    def __init__(self, permutation: Permutation, seed: int, *, streams: int, words: int) -> None:
        self._permutation = permutation
        self._seed = seed
        self._streams, self._words = streams, words

    def of_window(self, epoch: int, start: int, steps: int, *, workers: Workers, device: torch.device) -> Tensor:
        """This worker's keys (T * B, V) for the window of `steps` time steps that begins at `start`, on `device`.

        Drawn for all streams, so that the number of workers does not change them.
        """
        occasion = ("dkpp", start) if self._permutation == "fixed" else ("dkpp", epoch, start)
        # An epoch's keys for all words are too many to be drawn ahead. A copy of a window's keys from pinned memory
        # does not make the host wait.
        shape = (self._streams, steps, self._words)
        keys_BTV = _drawn(self._seed, *occasion, shape=shape, pin_memory=device.type == "cuda")
        return to_device(workers.share(keys_BTV), device).transpose(0, 1).flatten(0, 1)


def _drawn(seed: int, *occasion: object, shape: Sequence[int], pin_memory: bool = False) -> Tensor:
    """Uniform numbers in [0, 1)."""
    generator = torch.Generator().manual_seed(derived_seed(seed, *occasion))
    return torch.rand(shape, generator=generator, pin_memory=pin_memory)
