"""What a language model's teacher says of the training text, computed once and not once per epoch.

The text is read in the same windows in every epoch, and the teacher neither learns nor drops anything out: its output
at a token never changes. Kept are its logits if they fit into memory, else its hidden states (the decoder is then
applied again), else nothing; in the precision in which they are computed, so that keeping them changes no bit of what
is learnt.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from bansweep.networks.language_model import LanguageModel, State
from bansweep.training.precision import autocast
from bansweep.training.token_streams import TokenStreams, Window

Kept = Literal["logits", "hidden states", "nothing"]


class TeacherOutputs:
    """A frozen teacher's logits for each window of an epoch, asked for in the windows' order.

    `memory_bytes` bounds what is kept on the network's device.
    """

    def __init__(self, teacher: LanguageModel, streams: TokenStreams, *, memory_bytes: float, bf16: bool) -> None:
        self._teacher = teacher
        self._streams = streams
        self._bf16 = bf16
        tokens = streams.length * streams.streams
        self.kept: Kept = "nothing"
        if tokens * teacher.vocabulary_size * (2 if bf16 else 4) <= memory_bytes:
            self.kept = "logits"
        elif tokens * teacher.units * 4 <= memory_bytes:  # hidden states are float32 in any case
            self.kept = "hidden states"
        self._outputs: dict[int, Tensor] = {}
        self._state: State | None = None
        self._next_start = 0

    def logits(self, window: Window) -> Tensor:
        """The teacher's logits (T, B, V) in float32, without gradient."""
        if window.start not in self._outputs:
            output = self._computed(window)
            if self.kept != "nothing":
                self._outputs[window.start] = output
        else:
            output = self._outputs[window.start]
        if self.kept == "hidden states":
            output = self._decoded(output)
        return output.float()

    @torch.no_grad()
    def _computed(self, window: Window) -> Tensor:
        if window.start == 0:
            self._state = self._teacher.initial_state(self._streams.streams)
        else:
            assert window.start == self._next_start, "windows are read in order: the state is carried along"
        assert self._state is not None
        with autocast(window.inputs_TB.device, bf16=self._bf16):
            hidden_TBH, self._state = self._teacher.hidden(window.inputs_TB, self._state)
            self._next_start = window.start + len(window.inputs_TB)
            return hidden_TBH if self.kept == "hidden states" else self._teacher.decode(hidden_TBH)

    @torch.no_grad()
    def _decoded(self, hidden_TBH: Tensor) -> Tensor:
        with autocast(hidden_TBH.device, bf16=self._bf16):
            return self._teacher.decode(hidden_TBH)
