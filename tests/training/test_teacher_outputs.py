"""What is kept of a teacher is what it would say again, bit for bit, and never more than allowed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from bansweep.config.networks import Lstm
from bansweep.networks.build import build_language_model
from bansweep.networks.language_model import LanguageModel
from bansweep.training.teacher_outputs import TeacherOutputs
from bansweep.training.token_streams import TokenStreams
from bansweep.training.workers import ALONE

CPU = torch.device("cpu")
VOCABULARY = (*(f"word{index}" for index in range(19)), "<eos>")
TOKENS, STREAMS, UNITS = 121, 3, 6
READ = TOKENS // STREAMS * STREAMS
LOGITS = READ * 20 * 2


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
    budgets = {
        "nothing": (0, 0),
        "hidden states": (READ * UNITS * 4, 0),
        "logits on disk": (0, LOGITS),
        "logits": (LOGITS, LOGITS),
    }
    spoken = {}
    for kept, (memory, disk) in budgets.items():
        outputs = TeacherOutputs(teacher, streams, memory_bytes=memory, disk_bytes=disk, bf16=bf16)
        assert outputs.kept == kept
        epochs = [torch.cat([outputs.logits(window).flatten(0, 1) for window in streams]) for _ in range(3)]
        assert torch.equal(epochs[0], epochs[1])
        assert torch.equal(epochs[0], epochs[2])
        assert epochs[0].dtype == (torch.bfloat16 if bf16 else torch.float16)
        spoken[kept] = epochs[0]
    assert torch.equal(spoken["nothing"], spoken["hidden states"])
    assert torch.equal(spoken["nothing"], spoken["logits on disk"])
    assert torch.equal(spoken["nothing"], spoken["logits"])


def test_rounding_moves_a_log_probability_by_a_2000th_of_its_distance_from_the_likeliest(
    teacher: LanguageModel, streams: TokenStreams
) -> None:
    outputs = TeacherOutputs(teacher, streams, memory_bytes=1e9, bf16=False)
    rounded = torch.cat([outputs.logits(window).float() for window in streams])
    exact, _ = teacher(torch.cat([window.inputs_TB for window in streams]), teacher.initial_state(STREAMS))
    distance = exact - exact.amax(dim=-1, keepdim=True)
    assert not torch.equal(rounded, distance)
    torch.testing.assert_close(rounded, distance, rtol=1 / 2000, atol=1e-5)


def test_a_file_that_the_disk_cannot_hold_is_not_made(
    teacher: LanguageModel, streams: TokenStreams, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    free = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free._replace(free=2 * LOGITS - 1))
    assert TeacherOutputs(teacher, streams, memory_bytes=0, disk_bytes=1e9, bf16=False).kept == "nothing"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free._replace(free=2 * LOGITS))
    assert TeacherOutputs(teacher, streams, memory_bytes=0, disk_bytes=1e9, bf16=False).kept == "logits on disk"
    assert not list(tmp_path.iterdir()), "the file has no name"


def test_a_byte_less_keeps_less(teacher: LanguageModel, streams: TokenStreams) -> None:
    enough = READ * UNITS * 4
    assert enough < LOGITS
    assert TeacherOutputs(teacher, streams, memory_bytes=LOGITS - 1, bf16=False).kept == "hidden states"
    assert TeacherOutputs(teacher, streams, memory_bytes=READ * UNITS * 4 - 1, bf16=False).kept == "nothing"


def test_the_state_is_carried_over_the_whole_text(teacher: LanguageModel, streams: TokenStreams) -> None:
    outputs = TeacherOutputs(teacher, streams, memory_bytes=1e9, bf16=False)
    windows = list(streams)
    in_windows = torch.cat([outputs.logits(window) for window in windows]).float().softmax(dim=-1)
    at_once, _ = teacher(torch.cat([window.inputs_TB for window in windows]), teacher.initial_state(STREAMS))
    torch.testing.assert_close(in_windows, at_once.softmax(dim=-1), rtol=5e-3, atol=1e-5)


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
