"""The LSTM against its equations written out, and what dropout and tied weights are supposed to do."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from bansweep.config.networks import Lstm as LstmSpec
from bansweep.config.networks import network_from_name
from bansweep.networks.build import build_language_model, count_parameters
from bansweep.networks.language_model import Lstm

WORDS = 7


def small(*, layers: int = 2, dropout: float = 0.0, tied: bool = True) -> Lstm:
    torch.manual_seed(0)
    model = Lstm(5, layers, vocabulary_size=WORDS, dropout=dropout, tied=tied, initial_range=0.8)
    return model.double()


def tokens_TB(steps: int = 6, streams: int = 3) -> Tensor:
    return torch.randint(0, WORDS, (steps, streams), generator=torch.Generator().manual_seed(1))


def by_equations(weights: dict[str, Tensor], tokens: Tensor, layers: int, decoder: Tensor) -> Tensor:
    """Hochreiter & Schmidhuber's cell with a forget gate, a step and a layer at a time: i, f, o gates, g candidate."""
    batch, units = tokens.shape[1], weights["embedding.weight"].shape[1]
    hidden = [torch.zeros(batch, units, dtype=torch.float64) for _ in range(layers)]
    cell = [torch.zeros(batch, units, dtype=torch.float64) for _ in range(layers)]
    logits = []
    for step in tokens:
        below = weights["embedding.weight"][step]
        for layer in range(layers):
            gates = (
                below @ weights[f"layers.{layer}.weight_ih_l0"].T
                + weights[f"layers.{layer}.bias_ih_l0"]
                + hidden[layer] @ weights[f"layers.{layer}.weight_hh_l0"].T
                + weights[f"layers.{layer}.bias_hh_l0"]
            )
            i, f, g, o = gates.split(units, dim=1)
            cell[layer] = torch.sigmoid(f) * cell[layer] + torch.sigmoid(i) * torch.tanh(g)
            hidden[layer] = torch.sigmoid(o) * torch.tanh(cell[layer])
            below = hidden[layer]
        logits.append(below @ decoder.T + weights["decoder_bias"])
    return torch.stack(logits)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
def test_loss_and_gradient_are_those_of_the_equations(layers: int, tied: bool) -> None:
    model, tokens = small(layers=layers, tied=tied), tokens_TB()
    targets = tokens.roll(1, dims=0)
    weights = {name: tensor.detach().clone().requires_grad_() for name, tensor in model.named_parameters()}
    decoder = weights["embedding.weight" if tied else "decoder_weight"]
    by_hand = by_equations(weights, tokens, layers, decoder)
    loss_by_hand = -by_hand.log_softmax(dim=2).gather(2, targets[..., None]).mean()
    loss_by_hand.backward()

    logits, _ = model(tokens, model.initial_state(3))
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    loss.backward()

    torch.testing.assert_close(logits, by_hand)
    torch.testing.assert_close(loss, loss_by_hand)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, weights[name].grad, msg=name)


def test_windows_with_a_carried_state_are_one_text() -> None:
    model, tokens = small().eval(), tokens_TB(steps=9)
    whole, ended = model(tokens, model.initial_state(3))
    state, parts = model.initial_state(3), []
    for first in (0, 4, 8):
        logits, state = model(tokens[first : first + 4], state)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts), whole)
    for one, other in zip(state, ended, strict=True):
        torch.testing.assert_close(one, other)


def test_streams_do_not_see_each_other() -> None:
    model, tokens = small().eval(), tokens_TB()
    whole, _ = model(tokens, model.initial_state(3))
    alone, _ = model(tokens[:, 1:2], model.initial_state(1))
    torch.testing.assert_close(alone, whole[:, 1:2])


def test_hidden_and_decode_are_forward() -> None:
    model, tokens = small().eval(), tokens_TB()
    hidden, _ = model.hidden(tokens, model.initial_state(3))
    assert hidden.shape == (6, 3, 5)
    assert torch.equal(model.decode(hidden), model(tokens, model.initial_state(3))[0])


def test_dropout_acts_in_training_only_and_never_between_time_steps() -> None:
    model, tokens = small(dropout=0.5), tokens_TB()
    model.eval()
    assert torch.equal(model(tokens, model.initial_state(3))[0], model(tokens, model.initial_state(3))[0])
    model.train()
    assert not torch.equal(model(tokens, model.initial_state(3))[0], model(tokens, model.initial_state(3))[0])
    # With everything dropped that may be dropped, what is left is the state, which nothing drops.
    model.dropout.p = 1.0
    state = (torch.ones(2, 3, 5).double(), torch.ones(2, 3, 5).double())
    hidden, (carried, _) = model.hidden(tokens[:1], state)
    assert (hidden == 0).all()
    assert (carried != 0).all()


def test_a_tied_weight_is_one_parameter_under_one_name() -> None:
    tied, untied = small(), small(tied=False)
    assert "decoder_weight" not in tied.state_dict()
    assert count_parameters(untied) - count_parameters(tied) == WORDS * 5
    storages = [tensor.data_ptr() for tensor in tied.state_dict().values()]
    assert len(storages) == len(set(storages)), "safetensors refuses tensors that share memory"


@pytest.mark.parametrize("initial_range", [0.04, 0.5])
def test_weights_begin_in_their_range(initial_range: float) -> None:
    spec = LstmSpec(units=30, layers=2, initial_range=initial_range)
    model = build_language_model(spec, vocabulary=[f"w{index}" for index in range(50)])
    for name, parameter in model.named_parameters():
        assert parameter.abs().max() <= initial_range
        assert parameter.abs().max() > 0.9 * initial_range, name


def test_equal_logits_are_a_perplexity_of_the_vocabularys_size() -> None:
    model = small()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    logits, _ = model(tokens_TB(), model.initial_state(3))
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens_TB().flatten()).detach()
    assert math.exp(float(loss)) == pytest.approx(WORDS)


@pytest.mark.parametrize(("layers", "millions"), [(2, "51.0"), (1, "33.0")])
def test_the_papers_size_is_that_of_two_layers(layers: int, millions: str) -> None:
    spec = LstmSpec(layers=layers, dropout=0)
    with torch.device("meta"):
        model = build_language_model(spec, vocabulary=[str(index) for index in range(10_000)])
    per_layer = 4 * 1500 * (1500 + 1500) + 2 * 4 * 1500
    assert count_parameters(model) == 10_000 * 1500 + 10_000 + layers * per_layer
    assert f"{count_parameters(model) / 1e6:.1f}" == millions
    if layers == 2:
        assert network_from_name("lstm") == LstmSpec()


def test_the_state_stays_in_float32_whatever_is_autocast() -> None:
    model, tokens = small().float(), tokens_TB()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden, state = model.hidden(tokens, model.initial_state(3))
        logits = model.decode(hidden)
    assert {hidden.dtype, *(part.dtype for part in state)} == {torch.float32}
    assert logits.dtype == torch.bfloat16
    exact, _ = model(tokens, model.initial_state(3))
    torch.testing.assert_close(logits.float(), exact, rtol=0.02, atol=0.02)
