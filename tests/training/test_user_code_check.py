"""Code of the user's own is tried before a sweep starts, and trained with and without a teacher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from bansweep.data.datasets import ImageData
from bansweep.errors import RequestError
from bansweep.graph.generation import Generation
from bansweep.training.image_run import ImageRun
from bansweep.training.teacher import Teacher
from bansweep.training.user_code_check import try_user_code

Make = Callable[..., Generation]

CODE = """\
import torch
from torch import nn
from torch.nn.functional import cross_entropy, softmax

def dense(input_shape, classes, normalised=True):
    channels, height, width = input_shape
    norm = [nn.BatchNorm1d(16)] if normalised else []
    layers = nn.Linear(channels * height * width, 16), *norm, nn.ReLU(), nn.Linear(16, classes)
    return nn.Sequential(nn.Flatten(), *layers)

class Shifted(nn.BatchNorm1d):
    def forward(self, values):
        return super().forward(values + 1)

def shifted(input_shape, classes):
    return nn.Sequential(nn.Flatten(), Shifted(64), nn.Linear(64, classes))

def constant(input_shape, classes):
    return dense(input_shape, classes).requires_grad_(False)

def lazy(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))

def empty(input_shape, classes):
    return nn.Flatten()

def tied(input_shape, classes):
    network = dense(input_shape, classes, normalised=False)
    network.again = nn.Linear(16, classes)
    network.again.weight = network[3].weight
    network.forward = lambda images: network[3](network[2](network[1](network[0](images))))
    return network

def in_place(input_shape, classes):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(input_shape[1] * input_shape[2], classes)
        def forward(self, images):
            logits = self.linear(images.flatten(1)).exp()
            logits *= 2
            return logits
    return Network()

def mixed(student, teacher, labels, *, share=0.5):
    terms = cross_entropy(student, labels, reduction="none")
    if teacher is None:
        return terms
    return share * terms + (1 - share) * cross_entropy(student, softmax(teacher, 1), reduction="none")

def mean(student, teacher, labels):
    return cross_entropy(student, labels)

def deaf(student, teacher, labels):
    return teacher[:, 0]

def needy(student, teacher, labels):
    return -(teacher.softmax(1) * student.log_softmax(1)).sum(1)
"""


def own(name: str, **arguments: Any) -> dict[str, Any]:
    return {"kind": "python", "code": {"file": "mine.py", "name": name, "text": CODE}, "arguments": arguments}


def test_what_is_right_passes_and_draws_nothing(make_generation: Make) -> None:
    generations = [
        make_generation(network=own("dense"), loss=own("mixed")),
        make_generation(network=own("dense", normalised=False), loss=own("mixed", share=1.0), teacher="0" * 16),
        make_generation(loss=own("needy"), teacher="0" * 16),
    ]
    before = torch.random.get_rng_state()
    try_user_code(generations, input_shape=(1, 8, 8), classes=10)
    assert torch.equal(torch.random.get_rng_state(), before)
    try_user_code([make_generation(loss=own("mixed"))], input_shape=None, classes=50)


def test_statistics_of_a_share_are_told_where_there_are_several_workers(make_generation: Make) -> None:
    generations = [make_generation(network=own("shifted"))]
    try_user_code(generations, input_shape=(1, 8, 8), classes=10)
    with pytest.raises(RequestError, match=r"^mine.py: the network of shifted has the layer Shifted \(1\)") as raised:
        try_user_code(generations, input_shape=(1, 8, 8), classes=10, workers=2)
    assert raised.value.cause.endswith("which 2 workers cannot share")
    assert "resources.workers: 1" in raised.value.remedy
    try_user_code([make_generation(network=own("dense"))], input_shape=(1, 8, 8), classes=10, workers=2)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"network": own("constant")}, r"^mine.py: constant: RuntimeError: element 0 of tensors does not require grad"),
        ({"network": own("lazy")}, r"^mine.py: the network of lazy has lazy layers"),
        ({"network": own("empty")}, r"^mine.py: the network of empty has no parameters"),
        ({"network": own("tied")}, r"^mine.py: tied: RuntimeError: .*share memory"),
        ({"network": own("in_place")}, r"^mine.py: in_place: RuntimeError: .*inplace operation"),
        (
            {"loss": own("mean")},
            r"^mine.py: mean has to return each sample's loss, a tensor of shape \(2,\), not shape",
        ),
        ({"loss": own("deaf"), "teacher": "0" * 16}, r"^mine.py: deaf: RuntimeError: element 0 of tensors"),
        ({"loss": own("needy")}, r"^mine.py, line \d+, in needy: AttributeError: 'NoneType' object"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(make_generation: Make, parts: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError, match=said) as raised:
        try_user_code([make_generation(**parts)], input_shape=(1, 8, 8), classes=10)
    assert "fix the file" in raised.value.remedy


def test_a_network_and_a_loss_of_ones_own_learn(make_generation: Make, digits: ImageData) -> None:
    run = ImageRun(make_generation(network=own("dense"), loss=own("mixed"), epochs=30), digits, diagnostics=True)
    reports = list(run.epochs())
    assert reports[-1].metrics["train_loss"] < 0.5 * reports[0].metrics["train_loss"]
    assert run.result().metrics["test_error"] < 50


def test_a_loss_of_ones_own_hears_a_teacher(make_generation: Make, digits: ImageData, teacher: Teacher) -> None:
    by_hand = ImageRun(make_generation(loss=own("needy"), teacher="0" * 16), digits, teacher=teacher, diagnostics=True)
    built_in = ImageRun(make_generation(loss="kd", teacher="0" * 16), digits, teacher=teacher, diagnostics=True)
    for own_report, report in zip(by_hand.epochs(), built_in.epochs(), strict=True):
        assert own_report.metrics == pytest.approx(report.metrics, rel=1e-3)
