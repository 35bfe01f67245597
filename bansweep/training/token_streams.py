"""A text as parallel streams, read window by window with the hidden state carried along.

Shape suffixes: N tokens of the text, B streams of this worker, L tokens of a stream, T time steps of a window, U its
distinct words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bansweep.data.host_to_device import to_device
from bansweep.networks.language_model import DistinctWords
from bansweep.training.workers import Workers


class Window(NamedTuple):
    """`start` is the window's first time step; each target is the token that follows its input.

    `distinct`: the distinct words of the inputs, if the streams were asked for them.
    """

    start: int
    inputs_TB: Tensor
    targets_TB: Tensor
    distinct: DistinctWords | None = None


class TokenStreams:
    """A text cut into `streams` consecutive parts of equal length, of which this worker holds its share.

    Every token is a target; the input of the first one is the end of a sentence. The remainder of the division (fewer
    tokens than streams, at the text's end) is dropped. The whole text is copied to `device` at once, and so are the
    windows' `distinct_words`, for a model that uses them.
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
        distinct_words: bool = False,
    ) -> None:
        self.length = len(tokens_N) // streams
        self.streams = len(range(workers.rank, streams, workers.size))
        self._window = window
        used = self.length * streams
        targets_N = torch.from_numpy(np.array(tokens_N[:used], dtype=np.int64))
        inputs_N = torch.cat([torch.tensor([end_of_sentence]), targets_N[:-1]])
        inputs_LB, targets_LB = (
            workers.share(part_N.view(streams, self.length)).t().contiguous() for part_N in (inputs_N, targets_N)
        )
        self._inputs_LB, self._targets_LB = to_device(inputs_LB, device), to_device(targets_LB, device)
        # On the host: to find distinct words on a GPU, the host would have to wait for it.
        self._distinct = _distinct_words_of_windows(inputs_LB, window, device) if distinct_words else None

    @property
    def windows(self) -> int:
        """How many windows an epoch has; the last one may be shorter than the others."""
        return -(-self.length // self._window)

    def __iter__(self) -> Iterator[Window]:
        for number, start in enumerate(range(0, self.length, self._window)):
            end = start + self._window
            distinct = None if self._distinct is None else self._distinct[number]
            yield Window(start, self._inputs_LB[start:end], self._targets_LB[start:end], distinct)


def _distinct_words_of_windows(inputs_LB: Tensor, window: int, device: torch.device) -> list[DistinctWords]:
    """Those of each window, all in two tensors on the device."""
    on_host = [DistinctWords.of(inputs_TB) for inputs_TB in inputs_LB.split(window)]
    words = to_device(torch.cat([distinct.words_U for distinct in on_host]), device)
    places_LB = to_device(torch.cat([distinct.places_TB for distinct in on_host]), device)
    words_of_windows = words.split([len(distinct.words_U) for distinct in on_host])
    return list(map(DistinctWords, words_of_windows, places_LB.split(window)))
