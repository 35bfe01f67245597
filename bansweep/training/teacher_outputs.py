"""A teacher's outputs for the training text of a language model, computed once and not once per epoch.

Each epoch reads the text in the same windows, and the teacher neither learns nor applies dropout, so its output at a
token never changes. Cached are its logits, in memory or on disk, if they fit; otherwise its hidden states (each step
then applies the decoder, up to a third of the teacher's work); otherwise nothing.

Logits are rounded to 16 bits whatever is cached (`precision.py`), so that memory and disk space do not change a bit of
the training.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from bansweep.data.host_to_device import to_device
from bansweep.networks.language_model import LanguageModel, State
from bansweep.training.kept_logits import ScratchTensor, can_hold
from bansweep.training.precision import autocast, dtype_of_logits, round_to_16_bits
from bansweep.training.token_streams import TokenStreams, Window

Kept = Literal["logits", "logits on disk", "hidden states", "nothing"]


class TeacherOutputs:
    """A frozen teacher's logits for each window of an epoch, asked for in the windows' order.

    `memory_bytes` bounds the cache on the network's device, `disk_bytes` the one in a temporary file, which lives as
    long as this object. A file that would take more than half of the free disk space is not made.
    """

    def __init__(
        self, teacher: LanguageModel, streams: TokenStreams, *, memory_bytes: float, disk_bytes: float = 0, bf16: bool
    ) -> None:
        self._teacher = teacher
        self._streams = streams
        self._bf16 = bf16
        self._dtype = dtype_of_logits(bf16=bf16)
        self._device = next(teacher.parameters()).device
        self._rows = streams.length * streams.streams
        self._table: Tensor | None = None
        self._file: ScratchTensor | None = None
        self.kept = self._choose(memory_bytes, disk_bytes)
        self._rows_kept = 0
        self._state: State | None = None
        self._next_start = 0

    def are_of(self, streams: TokenStreams, *, bf16: bool) -> bool:
        """Whether they are for this object of streams, in this precision."""
        return self._streams is streams and self._bf16 == bf16

    def logits(self, window: Window) -> Tensor:
        """The teacher's logits (T, B, V) in bfloat16 or float16, without gradient.

        The host waits for a GPU only where logits are first written to a file.
        """
        rows = window.inputs_TB.numel()
        first = window.start * self._streams.streams
        if self._table is None:
            return round_to_16_bits(self._decoded(self._hidden(window)))
        if first >= self._rows_kept:
            output = self._hidden(window)
            if self.kept != "hidden states":
                output = round_to_16_bits(self._decoded(output))
            self._table[first : first + rows] = output.flatten(0, 1)
            self._rows_kept = first + rows
        else:
            if self._file is not None:
                self._file.will_need(first + rows, rows)
            kept = self._table[first : first + rows].view(*window.inputs_TB.shape, -1)
            output = to_device(kept, self._device)
        return round_to_16_bits(self._decoded(output)) if self.kept == "hidden states" else output

    def _choose(self, memory_bytes: float, disk_bytes: float) -> Kept:
        words, units = self._teacher.vocabulary_size, self._teacher.units
        bytes_of_logits = self._rows * words * self._dtype.itemsize
        if bytes_of_logits <= memory_bytes:
            self._table = torch.empty(self._rows, words, dtype=self._dtype, device=self._device)
            return "logits"
        if bytes_of_logits <= disk_bytes and can_hold(bytes_of_logits):
            try:
                self._file = ScratchTensor(self._rows, words, self._dtype)
            except OSError:
                pass  # another process took the disk space in the meantime
            else:
                self._table = self._file.tensor
                return "logits on disk"
        if self._rows * units * 4 <= memory_bytes:  # hidden states are float32 in any case
            self._table = torch.empty(self._rows, units, device=self._device)
            return "hidden states"
        return "nothing"

    @torch.no_grad()
    def _hidden(self, window: Window) -> Tensor:
        if window.start == 0:
            self._state = self._teacher.initial_state(self._streams.streams)
        else:
            assert window.start == self._next_start, "windows are read in order: the state is carried along"
        assert self._state is not None
        self._next_start = window.start + len(window.inputs_TB)
        with autocast(window.inputs_TB.device, bf16=self._bf16):
            hidden_TBH, self._state = self._teacher.hidden(window.inputs_TB, self._state, window.distinct)
        return hidden_TBH

    @torch.no_grad()
    def _decoded(self, hidden: Tensor) -> Tensor:
        with autocast(hidden.device, bf16=self._bf16):
            return self._teacher.decode(hidden)
