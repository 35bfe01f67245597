"""Students that take the first and last layers of their teacher (section 4.1, table 5)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from bansweep.data.datasets import ImageData
from bansweep.graph.generation import Generation
from bansweep.training.image_run import ImageRun
from bansweep.training.teacher import Teacher

Make = Callable[..., Generation]
OUTER = ("stem.weight", "classifier.weight", "classifier.bias")


def finish(run: ImageRun) -> dict[str, Tensor]:
    for _ in run.epochs():
        pass
    return {name: tensor.clone() for name, tensor in run.network.state_dict().items()}


@pytest.mark.parametrize("loss", ["kd", "labels", "kd+activations"])
@pytest.mark.parametrize("shared", ["frozen", "trained"])
def test_the_student_begins_with_its_teachers_layers(
    loss: str, shared: str, make_generation: Make, digits: ImageData, teacher: Teacher
) -> None:
    theirs = teacher.network.state_dict()
    before = {name: tensor.clone() for name, tensor in theirs.items()}
    run = ImageRun(make_generation(loss=loss, teacher="t", shared_layers=shared), digits, teacher=teacher)
    start = {name: tensor.clone() for name, tensor in run.network.state_dict().items()}
    assert all(torch.equal(start[name], theirs[name]) for name in OUTER)
    assert all(
        not torch.equal(start[name], theirs[name])
        for name in theirs
        if name.startswith("stages") and theirs[name].dim() == 4
    )

    end = finish(run)
    assert all(torch.equal(end[name], start[name]) == (shared == "frozen") for name in OUTER)
    assert not torch.equal(end["stages.0.0.conv1.weight"], start["stages.0.0.conv1.weight"]), "the others learn"
    assert all(torch.equal(tensor, before[name]) for name, tensor in theirs.items()), "copies of layers"


def test_the_rest_starts_as_it_would_without(make_generation: Make, digits: ImageData, teacher: Teacher) -> None:
    alone = ImageRun(make_generation(loss="kd", teacher="t"), digits, teacher=teacher).network.state_dict()
    sharing = ImageRun(
        make_generation(loss="kd", teacher="t", shared_layers="frozen"), digits, teacher=teacher
    ).network.state_dict()
    assert {name for name in alone if not torch.equal(alone[name], sharing[name])} == set(OUTER)


def test_a_student_with_frozen_layers_resumes_in_the_same_bits(
    make_generation: Make, digits: ImageData, teacher: Teacher
) -> None:
    generation = make_generation(loss="kd", teacher="t", shared_layers="frozen", epochs=3)
    expected = finish(ImageRun(generation, digits, teacher=teacher))
    interrupted = ImageRun(generation, digits, teacher=teacher)
    next(interrupted.epochs())
    resumed = ImageRun(generation, digits, teacher=teacher)
    resumed.resume(interrupted.snapshot(), interrupted.history)
    ended = finish(resumed)
    assert all(torch.equal(tensor, ended[name]) for name, tensor in expected.items())
