"""Language models: they learn, resume bit for bit with their schedule, and students hear their teachers."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from close_metrics import assert_close_metrics
from process_group import in_group

from bansweep.config.recipes import RECIPES
from bansweep.data.datasets import TextData
from bansweep.errors import DataError, DivergedError
from bansweep.graph.generation import DataIdentity, Generation
from bansweep.networks.language_model import LanguageModel
from bansweep.training.language_run import LanguageRun
from bansweep.training.snapshot import weights_bytes
from bansweep.training.teacher import LanguageTeacher, frozen_language_model
from bansweep.training.workers import Workers

Make = Callable[..., Generation]
CPU = torch.device("cpu")
WORDS = 12
LOSSES: list[Any] = [
    "kd",
    {"kind": "kd", "temperature": 2},
    "kd+labels",
    "cwtm",
    "dkpp",
    {"kind": "dkpp", "permutation": "fixed"},
]


@pytest.fixture(scope="module")
def text() -> TextData:
    """Sentences in which each word is the last one plus one or two: something can be learnt, and not everything."""
    random = np.random.default_rng(0)
    steps = random.integers(1, 3, 3_000)
    tokens_N = (np.cumsum(steps) % WORDS).astype(np.int32)
    vocabulary = (*(f"w{index}" for index in range(WORDS - 1)), "<eos>")
    return TextData(tokens_N[:2_400], tokens_N[2_400:2_700], tokens_N[2_700:], vocabulary, WORDS - 1)


def make(**changes: Any) -> Generation:
    recipe = {**RECIPES["lstm"], "epochs": 3, "batch_size": 6, "window": 10, "learning_rate": 0.5}
    recipe.update({name: changes.pop(name) for name in list(changes) if name in recipe})
    fields = {
        "network": {"kind": "lstm", "units": 12, "layers": 2, "dropout": 0.2, "initial_range": 0.3},
        "loss": "labels",
        "recipe": recipe,
        "data": DataIdentity(kind="text", fingerprint="f"),
        "precision": "fp32",
        "seed": 1,
        "generation_index": 0,
        "teacher": None,
    }
    return Generation.model_validate({**fields, **changes})


def finish(run: LanguageRun) -> dict[str, torch.Tensor]:
    for _ in run.epochs():
        pass
    return {name: tensor.clone() for name, tensor in run.network.state_dict().items()}


@pytest.fixture(scope="module")
def teacher(text: TextData) -> LanguageModel:
    run = LanguageRun(make(epochs=6), text)
    finish(run)
    return copy.deepcopy(run.network).eval().requires_grad_(requires_grad=False)


def test_it_learns_what_can_be_learnt(text: TextData) -> None:
    run = LanguageRun(make(epochs=8, learning_rate=1.0), text)
    reports = list(run.epochs())
    assert reports[0].metrics["train_loss"] < math.log(WORDS) + 0.2, "it begins by guessing"
    assert reports[-1].metrics["validation_perplexity"] < 2.6, "two words are equally likely, twelve at first"
    assert reports[-1].metrics["validation_perplexity"] > 1.95
    result = run.result()
    assert result.metrics["test_perplexity"] == pytest.approx(math.exp(result.metrics["test_loss"]))
    assert result.metrics["test_perplexity"] == pytest.approx(
        math.exp(-result.answers.test_N.astype(float).mean()), rel=1e-6
    )
    assert (len(result.answers.validation_N), len(result.answers.test_N)) == (300, 300)
    assert not any(name.startswith("test") for report in reports for name in report.metrics)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_every_loss_brings_a_student_towards_the_text_and_leaves_its_teacher_alone(
    loss: Any, text: TextData, teacher: LanguageModel
) -> None:
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    run = LanguageRun(make(loss=loss, teacher="t", seed=5), text, teacher=LanguageTeacher(teacher, memory_bytes=1e9))
    reports = list(run.epochs())
    limit = 8 if "dkpp" in str(loss) else 6
    assert reports[-1].metrics["validation_perplexity"] < limit
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())
    assert not teacher.training


@pytest.mark.parametrize("loss", ["kd", "dkpp", {"kind": "dkpp", "permutation": "fixed"}], ids=str)
def test_what_is_kept_of_the_teacher_changes_nothing(loss: Any, text: TextData, teacher: LanguageModel) -> None:
    learnt = [
        finish(LanguageRun(make(loss=loss, teacher="t"), text, teacher=LanguageTeacher(teacher, memory_bytes=memory)))
        for memory in (0, 2_400 * 12 * 4 - 1, 1e9)
    ]
    for other in learnt[1:]:
        assert all(torch.equal(tensor, other[name]) for name, tensor in learnt[0].items())


@pytest.mark.parametrize("loss", ["labels", "kd+labels", "dkpp"])
def test_resumed_in_the_middle_of_its_schedule_it_ends_in_the_same_bits(
    loss: str, text: TextData, teacher: LanguageModel
) -> None:
    # A threshold that no epoch reaches: the rate falls after every one, so a schedule that began anew would show.
    generation = make(loss=loss, teacher=None if loss == "labels" else "t", epochs=5, decay_threshold=1e3)

    def new() -> LanguageRun:
        given = None if loss == "labels" else LanguageTeacher(teacher, memory_bytes=1e9)
        return LanguageRun(generation, text, teacher=given)

    undisturbed = new()
    expected = finish(undisturbed)
    rates = [report.metrics["learning_rate"] for report in undisturbed.history]
    assert rates == pytest.approx([0.5, 0.5, 0.125, 0.03125, 0.0078125])

    interrupted = new()
    epochs = interrupted.epochs()
    for _ in range(3):
        next(epochs)
    snapshot, history = interrupted.snapshot(), list(interrupted.history)
    next(epochs)  # more was done than was saved
    torch.manual_seed(99)
    resumed = new()
    resumed.resume(snapshot, history)
    ended = finish(resumed)
    assert all(torch.equal(tensor, ended[name]) for name, tensor in expected.items())
    assert [r.metrics for r in resumed.history] == [r.metrics for r in undisturbed.history]


def test_steps_are_those_of_a_plain_loop(text: TextData) -> None:
    """Carried state, sums over time, clipping and rate, against torch.nn alone."""
    generation = make(
        network={"kind": "lstm", "units": 12, "layers": 2, "dropout": 0, "initial_range": 0.3}, clip_norm=0.5, epochs=1
    )
    run = LanguageRun(generation, text)
    embedding, decoder = torch.nn.Embedding(WORDS, 12), torch.nn.Linear(12, WORDS)
    lstm = torch.nn.LSTM(12, 12, num_layers=2)
    decoder.weight = embedding.weight
    start = run.network.state_dict()
    with torch.no_grad():
        for name, parameter in lstm.named_parameters():
            weight, layer = name[:-1], name[-1]
            parameter.copy_(start[f"layers.{layer}.{weight}0"])
        embedding.weight.copy_(start["embedding.weight"])
        decoder.bias.copy_(start["decoder_bias"])
    parameters = [embedding.weight, decoder.bias, *lstm.parameters()]

    length = 2_400 // 6
    tokens = torch.tensor(text.train_N.astype(np.int64))
    inputs = torch.cat([torch.tensor([WORDS - 1]), tokens[:-1]]).view(6, length).t()
    targets = tokens.view(6, length).t()
    state = (torch.zeros(2, 6, 12), torch.zeros(2, 6, 12))
    total = 0.0
    for first in range(0, length, 10):
        output, state = lstm(embedding(inputs[first : first + 10]), tuple(s.detach() for s in state))
        loss = torch.nn.functional.cross_entropy(
            decoder(output).reshape(-1, WORDS), targets[first : first + 10].reshape(-1), reduction="sum"
        )
        for parameter in parameters:
            parameter.grad = None
        (loss / 6).backward()
        norm = torch.sqrt(sum((p.grad**2).sum() for p in parameters))  # type: ignore[arg-type,operator]
        with torch.no_grad():
            for parameter in parameters:
                parameter -= 0.5 * parameter.grad * min(1.0, 0.5 / (float(norm) + 1e-6))
        total += float(loss.detach())

    (report,) = run.epochs()
    assert report.metrics["train_loss"] == pytest.approx(total / 2_400, rel=1e-5)
    ended = run.network.state_dict()
    torch.testing.assert_close(ended["embedding.weight"], embedding.weight.detach(), rtol=1e-4, atol=1e-5)


def first_epoch(workers: Workers, text: TextData, loss: str, weights: bytes) -> tuple[dict[str, float], list[float]]:
    generation = make(
        loss=loss,
        teacher=None if loss == "labels" else "t",
        network={"kind": "lstm", "units": 12, "layers": 2, "dropout": 0, "initial_range": 0.3},
        batch_size=5,
        epochs=1,
        learning_rate=0.02,
    )
    teacher = None
    if loss != "labels":
        network: Any = make().network
        teacher = LanguageTeacher(frozen_language_model(network, weights, vocabulary=text.vocabulary, device=CPU))
    run = LanguageRun(generation, text, teacher=teacher, workers=workers, diagnostics=True)
    (report,) = run.epochs()
    return dict(report.metrics), [float(p.detach().double().sum()) for p in run.network.parameters()]


@pytest.mark.parametrize("loss", ["labels", "kd", "kd+labels", "cwtm", "dkpp"])
def test_two_workers_learn_what_one_learns(loss: str, text: TextData, teacher: LanguageModel) -> None:
    weights = weights_bytes(teacher)
    alone, weights_alone = first_epoch(Workers(), text, loss, weights)
    both = in_group(2, first_epoch, text, loss, weights)
    assert both[0] == both[1]
    assert_close_metrics(both[0][0], alone, relative=1e-4, absolute=1e-3)
    assert both[0][1] == pytest.approx(weights_alone, abs=1e-2)


def test_diagnostics_are_recorded(text: TextData, teacher: LanguageModel) -> None:
    generation = make(loss="kd+labels", teacher="t", epochs=1)
    plain = next(LanguageRun(generation, text, teacher=LanguageTeacher(teacher)).epochs())
    observed = next(LanguageRun(generation, text, teacher=LanguageTeacher(teacher), diagnostics=True).epochs())
    assert plain.metrics.items() < observed.metrics.items()
    assert {"train_agreement", "validation_agreement", "kd_gradient_ground_truth"} <= observed.metrics.keys()


def test_divergence_is_told(text: TextData) -> None:
    with pytest.raises(DivergedError):
        finish(LanguageRun(make(learning_rate=1e38, clip_norm=1e30), text))


def test_more_streams_than_tokens_are_refused(text: TextData) -> None:
    with pytest.raises(DataError, match="3,000 streams are more than the 2,400 training tokens"):
        LanguageRun(make(batch_size=3_000), text)


def test_bf16_follows_fp32_at_its_own_precision(text: TextData) -> None:
    fp32, bf16 = (
        next(LanguageRun(make(precision=precision), text).epochs()).metrics["train_loss"]
        for precision in ("fp32", "bf16")
    )
    assert fp32 != bf16
    assert bf16 == pytest.approx(fp32, rel=0.05)
