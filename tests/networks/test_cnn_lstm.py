"""The character network against a plain computation of one word at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bansweep.config.networks import CnnLstm as CnnLstmSpec
from bansweep.networks.build import build_language_model, count_parameters
from bansweep.networks.cnn_lstm import BEGINNING, END, PADDING, CnnLstm, characters_of, spell
from bansweep.networks.language_model import DistinctWords

LONG = "".join("abc"[index % 3] for index in range(60))
VOCABULARY = ["a", "cab", "<unk>", "<eos>", "bacab", LONG]


def small(vocabulary: list[str] = VOCABULARY) -> CnnLstm:
    torch.manual_seed(0)
    model = CnnLstm(
        6,
        2,
        vocabulary=vocabulary,
        dropout=0.0,
        character_embedding=4,
        widths=(1, 2, 7),
        maps=(3, 5, 6),
        highway=2,
        initial_range=0.7,
    )
    return model.double()


def features_by_hand(model: CnnLstm, word: list[int]) -> np.ndarray:
    """Kim et al., section 2: embedding, narrow convolutions, tanh, largest over time; then the highway layers."""
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    embedded = weights["words.embedding.weight"][word]
    features = []
    for index, width in enumerate((1, 2, 7)):
        kernel, bias = (weights[f"words.convolutions.{index}.{part}"] for part in ("weight", "bias"))
        padded = np.concatenate([embedded, np.zeros((max(0, width - len(word)), 4))])
        values = [
            np.tanh((kernel * padded[place : place + width].T[None]).sum(axis=(1, 2)) + bias)
            for place in range(len(padded) - width + 1)
        ]
        features.append(np.max(values, axis=0))
    y = np.concatenate(features)
    for layer in range(2):
        transform, gate = (
            weights[f"highway.{layer}.{part}.weight"] @ y + weights[f"highway.{layer}.{part}.bias"]
            for part in ("transform", "gate")
        )
        t = 1 / (1 + np.exp(-gate))
        y = t * np.maximum(transform, 0) + (1 - t) * y
    return np.asarray(y)


def test_features_are_those_of_each_word_by_itself() -> None:
    model = small()
    characters_VL, lengths_V = spell(VOCABULARY, shortest=7)
    features_TBE = model.embed(torch.tensor([[0, 1, 2], [5, 4, 0]])).detach()
    assert features_TBE.shape == (2, 3, 14)
    for row, words in enumerate([[0, 1, 2], [5, 4, 0]]):
        for column, word in enumerate(words):
            spelled = characters_VL[word, : lengths_V[word]].tolist()
            np.testing.assert_allclose(features_TBE[row, column], features_by_hand(model, spelled), atol=1e-12)


def test_a_caller_who_knows_the_distinct_words_gets_the_same_bits() -> None:
    model, tokens_TB = small(), torch.tensor([[0, 1, 1], [5, 4, 0]])
    distinct = DistinctWords(torch.tensor([0, 1, 4, 5]), torch.tensor([[0, 1, 1], [3, 2, 0]]))
    state = model.initial_state(3)
    assert torch.equal(model(tokens_TB, state, distinct)[0], model(tokens_TB, state)[0])
    assert not torch.equal(
        model(tokens_TB, state, DistinctWords(distinct.words_U, distinct.places_TB.flip(0)))[0],
        model(tokens_TB, state)[0],
    )


@pytest.mark.parametrize("word", ["a", LONG], ids=["1 character", "60 characters"])
def test_words_of_any_length_have_features(word: str) -> None:
    model = small()
    logits, _ = model(torch.tensor([[VOCABULARY.index(word)]]), model.initial_state(1))
    assert logits.shape == (1, 1, len(VOCABULARY))
    assert torch.isfinite(logits).all()
    logits.sum().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)


def test_the_longest_word_of_the_vocabulary_decides_nothing_about_the_others() -> None:
    short, long = small(["a", "cab", "bc"]), small(["a", "cab", LONG])
    long.load_state_dict(short.state_dict())
    tokens_TB = torch.tensor([[0, 1]])
    torch.testing.assert_close(short.embed(tokens_TB), long.embed(tokens_TB))


def test_spelling() -> None:
    characters_VL, lengths_V = spell(["ba", "c"], shortest=6)
    assert characters_VL.tolist() == [[BEGINNING, 4, 3, END, PADDING, PADDING], [BEGINNING, 5, END] + [PADDING] * 3]
    assert lengths_V.tolist() == [4, 3]
    assert characters_of(["ba", "c"]) == 6


def test_a_word_without_end_is_read_as_far_as_63_characters() -> None:
    characters_VL, lengths_V = spell(["a" * 64, "b" * 63, "c" * 5000], shortest=7)
    assert characters_VL.shape == (3, 65)
    assert lengths_V.tolist() == [65, 65, 65]


def test_the_spelling_is_no_part_of_what_is_learnt() -> None:
    assert not any("characters_VL" in name or "lengths" in name for name in small().state_dict())


def test_padding_is_nothing_and_stays_so() -> None:
    model = small()
    assert (model.words.embedding.weight[PADDING] == 0).all()
    logits, _ = model(torch.tensor([[0]]), model.initial_state(1))
    logits.square().sum().backward()
    assert (model.words.embedding.weight.grad[PADDING] == 0).all()


def test_the_gates_of_the_highway_begin_nearly_closed() -> None:
    spec = CnnLstmSpec(units=8, layers=1, maps_per_width=3, most_maps=9)
    model = build_language_model(spec, vocabulary=VOCABULARY)
    assert isinstance(model, CnnLstm)
    for layer in model.highway:
        assert (layer.gate.bias + 2).abs().max() <= spec.initial_range
        assert layer.transform.bias.abs().max() <= spec.initial_range


def test_the_papers_size() -> None:
    alphabet = [chr(ord("0") + index) for index in range(48)]
    vocabulary = [alphabet[n % 48] + alphabet[n // 48 % 48] + alphabet[n // 2304] for n in range(10_000)]
    with torch.device("meta"):
        model = build_language_model(CnnLstmSpec(), vocabulary=vocabulary)
    widths, maps = range(1, 8), (50, 100, 150, 200, 200, 200, 200)
    expected = (
        (48 + 3) * 15
        + sum(15 * width * channels + channels for width, channels in zip(widths, maps, strict=True))
        + 2 * 2 * (1100 * 1100 + 1100)
        + 4 * 650 * (1100 + 650)
        + 4 * 650 * (650 + 650)
        + 2 * 2 * 4 * 650
        + 650 * 10_000
        + 10_000
    )
    assert count_parameters(model) == expected
    assert f"{expected / 1e6:.1f}" == "19.4"
