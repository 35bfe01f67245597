"""The diagnostics of section 3.2 against sums written out, and their place in a generation's history."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from bansweep.data.datasets import ImageData
from bansweep.graph.generation import Generation
from bansweep.training.image_run import ImageRun
from bansweep.training.kd_gradient import QUANTILES, Diagnostics, share_in_percent
from bansweep.training.teacher import Teacher
from bansweep.training.workers import ALONE

Make = Callable[..., Generation]
CPU = torch.device("cpu")


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def test_figures_are_those_of_all_samples_of_an_epoch() -> None:
    random = np.random.default_rng(0)
    z, t, labels = random.normal(size=(900, 7)) * 2, random.normal(size=(900, 7)) * 3, random.integers(0, 7, 900)
    diagnostics = Diagnostics(ALONE, CPU)
    for part in np.array_split(np.arange(900), 4):
        diagnostics.observe(torch.tensor(z[part]), torch.tensor(t[part]), torch.tensor(labels[part]))
    figures = diagnostics.take()

    q, p = softmax(z), softmax(t)
    rows = np.arange(900)
    of_label = (q - p)[rows, labels]
    others = q - p
    others[rows, labels] = 0
    assert figures["kd_gradient_ground_truth"] == pytest.approx(of_label.mean(), abs=1e-6)
    assert figures["kd_gradient_dark_knowledge"] == pytest.approx(others.sum(axis=1).mean(), abs=1e-6)
    assert figures["kd_gradient_dark_knowledge"] == pytest.approx(-figures["kd_gradient_ground_truth"], abs=1e-6)
    assert figures["kd_gradient_ground_truth_size"] == pytest.approx(np.abs(of_label).mean(), abs=1e-6)
    assert figures["kd_gradient_dark_knowledge_size"] == pytest.approx(
        np.sqrt((others**2).sum(axis=1)).mean(), abs=1e-6
    )
    assert figures["teacher_confidence_mean"] == pytest.approx(p.max(axis=1).mean(), abs=1e-6)
    for percent in QUANTILES:
        expected = np.percentile(p.max(axis=1), percent, method="inverted_cdf")
        assert figures[f"teacher_confidence_p{percent:02}"] == pytest.approx(expected, abs=6e-4), percent
    assert figures["train_agreement"] == pytest.approx(100 * (z.argmax(axis=1) == t.argmax(axis=1)).mean())


def test_every_epoch_begins_anew() -> None:
    diagnostics = Diagnostics(ALONE, CPU)
    certain = torch.tensor([[9.0, 0.0]])
    diagnostics.observe(certain, certain, torch.tensor([0]))
    assert diagnostics.take()["train_agreement"] == 100
    assert diagnostics.take() == {}
    diagnostics.observe(certain, -certain, torch.tensor([0]))
    assert diagnostics.take()["train_agreement"] == 0


def test_shares_are_in_percent() -> None:
    assert share_in_percent(torch.tensor([True, False, True, True])) == 75


def test_they_are_in_a_students_history_and_change_nothing_that_it_learns(
    make_generation: Make, digits: ImageData, teacher: Teacher
) -> None:
    generation = make_generation(loss="dkpp", teacher="t", epochs=2)
    plain = list(ImageRun(generation, digits, teacher=teacher).epochs())
    observed = list(ImageRun(generation, digits, teacher=teacher, diagnostics=True).epochs())
    for without, report in zip(plain, observed, strict=True):
        assert without.metrics.items() < report.metrics.items()
        added = report.metrics.keys() - without.metrics.keys()
        assert {"train_agreement", "test_agreement", "kd_gradient_ground_truth", "teacher_confidence_p50"} <= added
        assert 0 <= report.metrics["test_agreement"] <= 100


def test_a_student_that_copies_its_teacher_agrees_with_it(
    make_generation: Make, digits: ImageData, teacher: Teacher
) -> None:
    run = ImageRun(make_generation(loss="kd", teacher="t"), digits, teacher=teacher, diagnostics=True)
    run.network.load_state_dict(teacher.network.state_dict())
    assert run._evaluate()["test_agreement"] == 100


@pytest.mark.parametrize("shared", ["none", "frozen"])
def test_who_learns_from_labels_has_none(
    shared: str, make_generation: Make, digits: ImageData, teacher: Teacher
) -> None:
    given = None if shared == "none" else teacher
    generation = make_generation(shared_layers=shared, teacher=None if given is None else "t", epochs=1)
    (report,) = ImageRun(generation, digits, teacher=given, diagnostics=True).epochs()
    assert report.metrics.keys() == {"train_loss", "test_loss", "test_error", "learning_rate"}
