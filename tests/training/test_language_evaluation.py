"""Perplexity over every token of a text, whatever it is computed with."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bansweep.config.networks import Lstm
from bansweep.networks.build import build_language_model
from bansweep.networks.language_model import LanguageModel
from bansweep.training.evaluation import ReadText, perplexity, read_text

CPU = torch.device("cpu")
VOCABULARY = (*(f"word{index}" for index in range(49)), "<eos>")
TOKENS_N = np.random.default_rng(1).integers(0, 50, 137, dtype=np.int32)


@pytest.fixture
def model() -> LanguageModel:
    torch.manual_seed(0)
    spec = Lstm(units=8, layers=2, dropout=0.5, initial_range=0.6)
    return build_language_model(spec, vocabulary=VOCABULARY)


def read(model: LanguageModel, window: int = 1000) -> ReadText:
    return read_text(model, TOKENS_N, end_of_sentence=49, device=CPU, bf16=False, window=window)


def test_it_is_the_same_in_windows_of_any_size(model: LanguageModel) -> None:
    whole = read(model)
    for window in (1, 2, 35, 136, 137, 138):
        part = read(model, window)
        torch.testing.assert_close(part.log_probabilities_N, whole.log_probabilities_N, rtol=1e-5, atol=1e-5)
        assert part.perplexity == pytest.approx(whole.perplexity, rel=1e-6)


def test_every_token_is_judged_with_all_before_it_in_view(model: LanguageModel) -> None:
    model.eval()
    log_probabilities = []
    for position in range(len(TOKENS_N)):
        before = [49, *TOKENS_N[:position].tolist()]
        with torch.no_grad():
            logits_TBV, _ = model(torch.tensor(before)[:, None], model.initial_state(1))
        log_probabilities.append(float(logits_TBV[-1, 0].log_softmax(dim=0)[int(TOKENS_N[position])]))
    done = read(model)
    np.testing.assert_allclose(done.log_probabilities_N.numpy(), log_probabilities, rtol=1e-4, atol=1e-5)
    assert len(done.log_probabilities_N) == len(done.likeliest_N) == 137
    assert done.perplexity == pytest.approx(math.exp(-np.mean(log_probabilities)), rel=1e-5)


def test_a_model_that_knows_nothing_has_the_vocabularys_size_as_perplexity(model: LanguageModel) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert read(model).perplexity == pytest.approx(50, rel=1e-6)


def test_nothing_drops_out_and_training_goes_on(model: LanguageModel) -> None:
    model.train()
    assert read(model).perplexity == read(model).perplexity
    assert model.training


def test_a_hopeless_loss_has_an_infinite_perplexity() -> None:
    assert perplexity(1e6) == math.inf
    assert perplexity(math.log(7)) == pytest.approx(7)
