"""A text as parallel streams, read window by window with the hidden state carried along.

Shape suffixes: N tokens of the text, B streams of this worker, L tokens of a stream, T time steps of a window.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bansweep.training.workers import Workers


class Window(NamedTuple):
    """`start` is the window's first time step; each target is the token that follows its input."""

    start: int
    inputs_TB: Tensor
    targets_TB: Tensor


class TokenStreams:
    """A text cut into `streams` consecutive parts of equal length, of which this worker holds its share.

    Every token is a target, the first one too: before it stands the end of a sentence. What the division leaves over at
    the text's end (fewer tokens than streams) is left out.
    """

    def __init__(
        self,
        tokens_N: NDArray[np.int32],
        *,
        streams: int,
        window: int,
        end_of_sentence: int,
        workers: Workers,
        device: torch.device,
    ) -> None:
        self.length = len(tokens_N) // streams
        self.streams = len(range(workers.rank, streams, workers.size))
        self._window = window
        used = self.length * streams
        targets_N = torch.from_numpy(np.array(tokens_N[:used], dtype=np.int64))
        inputs_N = torch.cat([torch.tensor([end_of_sentence]), targets_N[:-1]])
        self._inputs_LB, self._targets_LB = (
            workers.share(part_N.view(streams, self.length)).t().contiguous().to(device)
            for part_N in (inputs_N, targets_N)
        )

    @property
    def windows(self) -> int:
        """How many windows an epoch has; the last one may be shorter than the others."""
        return -(-self.length // self._window)

    def __iter__(self) -> Iterator[Window]:
        for start in range(0, self.length, self._window):
            end = start + self._window
            yield Window(start, self._inputs_LB[start:end], self._targets_LB[start:end])
