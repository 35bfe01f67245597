"""What is kept of a teacher is what it would say again, bit for bit, and never more than allowed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bansweep.networks.builder import build_language_model
from bansweep.networks.language_model import LanguageModel
from bansweep.spec.networks import Lstm
from bansweep.training.teacher_outputs import TeacherOutputs
from bansweep.training.token_streams import TokenStreams
from bansweep.training.workers import ALONE

CPU = torch.device("cpu")
VOCABULARY = (*(f"word{index}" for index in range(19)), "<eos>")
TOKENS, STREAMS, UNITS = 121, 3, 6
READ = TOKENS // STREAMS * STREAMS


@pytest.fixture
def teacher() -> LanguageModel:
    torch.manual_seed(0)
    spec = Lstm(units=UNITS, layers=2, dropout=0.5, initial_range=0.5)
    return build_language_model(spec, vocabulary=VOCABULARY).eval().requires_grad_(requires_grad=False)


@pytest.fixture
def streams() -> TokenStreams:
    tokens_N = np.random.default_rng(0).integers(0, 20, TOKENS, dtype=np.int32)
    return TokenStreams(tokens_N, streams=STREAMS, window=7, end_of_sentence=19, workers=ALONE, device=CPU)


@pytest.mark.parametrize("bf16", [False, True])
def test_keeping_changes_no_bit(teacher: LanguageModel, streams: TokenStreams, bf16: bool) -> None:
    bits = 2 if bf16 else 4
    budgets = {"nothing": 0, "hidden states": READ * UNITS * 4, "logits": READ * 20 * bits}
    spoken = {}
    for kept, budget in budgets.items():
        outputs = TeacherOutputs(teacher, streams, memory_bytes=budget, bf16=bf16)
        assert outputs.kept == kept
        epochs = [torch.cat([outputs.logits(window).flatten(0, 1) for window in streams]) for _ in range(3)]
        assert torch.equal(epochs[0], epochs[1])
        assert torch.equal(epochs[0], epochs[2])
        assert epochs[0].dtype == torch.float32
        spoken[kept] = epochs[0]
    assert torch.equal(spoken["nothing"], spoken["hidden states"])
    assert torch.equal(spoken["nothing"], spoken["logits"])


def test_a_byte_less_keeps_less(teacher: LanguageModel, streams: TokenStreams) -> None:
    assert TeacherOutputs(teacher, streams, memory_bytes=READ * 20 * 4 - 1, bf16=False).kept == "hidden states"
    assert TeacherOutputs(teacher, streams, memory_bytes=READ * UNITS * 4 - 1, bf16=False).kept == "nothing"


def test_the_state_is_carried_over_the_whole_text(teacher: LanguageModel, streams: TokenStreams) -> None:
    outputs = TeacherOutputs(teacher, streams, memory_bytes=1e9, bf16=False)
    windows = list(streams)
    in_windows = torch.cat([outputs.logits(window) for window in windows])
    at_once, _ = teacher(torch.cat([window.inputs_TB for window in windows]), teacher.initial_state(STREAMS))
    torch.testing.assert_close(in_windows, at_once, rtol=1e-5, atol=1e-6)


def test_kept_windows_are_not_computed_again(teacher: LanguageModel, streams: TokenStreams) -> None:
    outputs = TeacherOutputs(teacher, streams, memory_bytes=1e9, bf16=False)
    first = [outputs.logits(window) for window in streams]
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.fill_(torch.nan)
    assert all(torch.equal(outputs.logits(window), kept) for window, kept in zip(streams, first, strict=True))


def test_windows_out_of_order_would_have_the_wrong_state(teacher: LanguageModel, streams: TokenStreams) -> None:
    outputs = TeacherOutputs(teacher, streams, memory_bytes=0, bf16=False)
    windows = list(streams)
    outputs.logits(windows[0])
    with pytest.raises(AssertionError, match="in order"):
        outputs.logits(windows[2])
