"""Streams hold every token once as a target, each after the one that stands before it in the text."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bansweep.training.token_streams import TokenStreams
from bansweep.training.workers import ALONE, Workers

CPU = torch.device("cpu")


def streams_of(tokens: int, streams: int, window: int, workers: Workers = ALONE) -> TokenStreams:
    tokens_N = np.arange(1, tokens + 1, dtype=np.int32)
    return TokenStreams(tokens_N, streams=streams, window=window, end_of_sentence=0, workers=workers, device=CPU)


def test_a_small_text_by_hand() -> None:
    windows = list(streams_of(11, streams=2, window=3))
    assert [window.start for window in windows] == [0, 3]
    assert windows[0].inputs_TB.tolist() == [[0, 5], [1, 6], [2, 7]]
    assert windows[0].targets_TB.tolist() == [[1, 6], [2, 7], [3, 8]]
    assert windows[1].inputs_TB.tolist() == [[3, 8], [4, 9]]
    assert windows[1].targets_TB.tolist() == [[4, 9], [5, 10]]


@given(tokens=st.integers(2, 200), streams=st.integers(1, 20), window=st.integers(1, 50))
def test_every_used_token_is_a_target_once_and_follows_its_input(tokens: int, streams: int, window: int) -> None:
    if streams > tokens:
        return
    text = streams_of(tokens, streams, window)
    windows = list(text)
    assert len(windows) == text.windows
    targets_LB = torch.cat([window.targets_TB for window in windows])
    inputs_LB = torch.cat([window.inputs_TB for window in windows])
    assert sorted(targets_LB.flatten().tolist()) == list(range(1, tokens // streams * streams + 1))
    assert (targets_LB == inputs_LB + 1).all()
    assert tokens - targets_LB.numel() < streams


@pytest.mark.parametrize("size", [2, 3])
def test_workers_share_the_streams(size: int) -> None:
    whole = next(iter(streams_of(40, streams=5, window=4)))
    shares = [streams_of(40, streams=5, window=4, workers=Workers(rank, size)) for rank in range(size)]
    assert sum(share.streams for share in shares) == 5
    for rank, share in enumerate(shares):
        window = next(iter(share))
        assert window.targets_TB.shape == (4, share.streams)
        assert torch.equal(window.targets_TB, whole.targets_TB[:, rank::size])


@pytest.mark.parametrize("rank", [0, 1])
def test_the_distinct_words_of_a_window_are_in_order_and_tell_which_each_token_is(rank: int) -> None:
    tokens_N = np.random.default_rng(0).integers(0, 9, 83, dtype=np.int32)
    streams = TokenStreams(
        tokens_N, streams=4, window=6, end_of_sentence=0, workers=Workers(rank, 2), device=CPU, distinct_words=True
    )
    for window in streams:
        assert window.distinct is not None
        words_U, places_TB = window.distinct
        assert words_U.tolist() == sorted(set(window.inputs_TB.flatten().tolist()))
        assert torch.equal(words_U[places_TB], window.inputs_TB)
    assert len(list(streams)) == streams.windows == 4


def test_distinct_words_are_found_for_those_who_ask() -> None:
    assert all(window.distinct is None for window in streams_of(40, streams=5, window=4))
