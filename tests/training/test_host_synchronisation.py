"""A training step and an evaluation batch never make the host wait for a GPU; an epoch does a handful of times.

Counted on a pretended device (`pretended_device.py`): as often over many steps as over few, so never in a step.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from pretended_device import TO_DEVICE, TO_HOST, PretendedDevice

from bansweep.config.networks import CnnLstm, Lstm, is_language_model, network_from_name
from bansweep.config.recipes import RECIPES, Augmentation
from bansweep.data.datasets import ImageData, ImageSplit, TextData
from bansweep.data.resident import ResidentImages
from bansweep.graph.generation import DataIdentity, Generation
from bansweep.graph.results import EpochReport
from bansweep.networks.build import build_language_model, build_network
from bansweep.training import evaluation, permutation_keys, target_table
from bansweep.training.evaluation import read_text
from bansweep.training.generation_run import GenerationRun
from bansweep.training.image_run import ImageRun
from bansweep.training.language_run import LanguageRun
from bansweep.training.snapshot import weights_bytes
from bansweep.training.teacher import LanguageTeacher, Teacher
from bansweep.training.workers import ALONE

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="pretends a device that this machine has")

CPU = torch.device("cpu")
EPOCHS, FEW, MANY = 2, 1, 4
# The epoch's losses, its error and loss, with diagnostics their sums and the agreement.
WAITS_OF_AN_EPOCH = 4
MEMORY, DISK, NOTHING = {"memory": 1e9}, {"disk": 1e9}, dict[str, float]()
OWN = {
    "kind": "python",
    "code": {
        "file": "mine.py",
        "name": "squares",
        "text": """
def squares(student_logits_BC, teacher_logits_BC, labels_B):
    return (student_logits_BC - teacher_logits_BC).square().mean(dim=1)
""",
    },
}
WITH_LOGITS: list[Any] = [
    "kd",
    {"kind": "kd", "temperature": 4},
    "kd+labels",
    {"kind": "kd+labels", "temperature": 4, "mixing": 0.9},
    "cwtm",
    {"kind": "cwtm", "confidence": "label"},
    "dkpp",
    {"kind": "dkpp", "permutation": "fixed"},
    OWN,
]


def name(value: Any) -> str:
    if value in (MEMORY, NOTHING):
        return "in memory" if value else "nothing kept"
    return (
        "-".join(str(part) for part in value.values() if not isinstance(part, dict)) if value != str(value) else value
    )


def counted(run: GenerationRun, pretended: PretendedDevice) -> tuple[list[Counter[str]], list[EpochReport]]:
    """The waits of each epoch by their causes, and its report."""
    waits, reports = [], []
    pretended.clear()
    for report in run.epochs():
        reports.append(report)
        causes: Counter[str] = Counter()
        for wait, times in pretended.waits.items():
            causes[wait.cause] += times
        waits.append(causes)
        pretended.clear()
    return waits, reports


def assert_equal_metrics(reports: list[EpochReport], expected: list[EpochReport]) -> None:
    for one, other in zip(reports, expected, strict=True):
        assert one.metrics == pytest.approx(other.metrics, rel=1e-6, abs=1e-9)


# Images

BATCH, CLASSES = 8, 5
CROPS = Augmentation(pad=1, fill="zero", flip=True)
NETWORK = network_from_name("wrn-10-1")
assert not is_language_model(NETWORK)


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several portions of everything, of the same size on each device."""
    monkeypatch.setattr(target_table, "batch_size", lambda _: BATCH)
    monkeypatch.setattr(evaluation, "BATCH_SIZE", BATCH)
    monkeypatch.setattr(permutation_keys, "BYTES_AT_A_TIME", 3 * BATCH * CLASSES * 4)


def make_generation(network: Any, loss: Any, recipe: dict[str, Any], *, data: str) -> Generation:
    return Generation.model_validate(
        {
            "network": network,
            "loss": loss,
            "recipe": recipe,
            "data": DataIdentity(kind=data, fingerprint="f"),
            "precision": "fp32",
            "seed": 1,
            "generation_index": 0 if loss == "labels" else 1,
            "teacher": None if loss == "labels" else "t",
        }
    )


def image_run(loss: Any, steps: int, device: torch.device, room: dict[str, float]) -> tuple[ImageRun, Teacher]:
    random = np.random.default_rng(0)

    def split(images: int) -> ImageSplit:
        pixels_NHWC = random.integers(0, 256, (images, 8, 8, 3), dtype=np.uint8)
        return ImageSplit(pixels_NHWC, random.integers(0, CLASSES, images))

    names = tuple(map(str, range(CLASSES)))
    data = ImageData(split(steps * BATCH), None, split(2 * BATCH), names, (0.5,) * 3, (0.25,) * 3)
    torch.manual_seed(0)
    weights = weights_bytes(build_network(NETWORK, input_shape=data.input_shape, classes=CLASSES))
    teacher = Teacher(
        NETWORK,
        weights,
        input_shape=data.input_shape,
        classes=CLASSES,
        device=device,
        memory_bytes=room.get("memory", 0),
        disk_bytes=room.get("disk", 0),
    )
    generation = make_generation(
        NETWORK,
        loss,
        {**RECIPES["wide-resnet"], "epochs": EPOCHS, "batch_size": BATCH, "augmentation": CROPS},
        data="random",
    )
    run = ImageRun(
        generation,
        data,
        teacher=None if loss == "labels" else teacher,
        device=device,
        diagnostics=True,
    )
    return run, teacher


IMAGE_CASES = [
    ("labels", NOTHING),
    ("kd+activations", NOTHING),
    *((loss, room) for loss in WITH_LOGITS for room in (MEMORY, NOTHING)),
]


@pytest.mark.parametrize(("loss", "room"), IMAGE_CASES, ids=name)
def test_a_step_of_an_image_network_never_waits(loss: Any, room: dict[str, float]) -> None:
    waits = {}
    for steps in (FEW, MANY):
        with PretendedDevice() as pretended:
            waits[steps], reports = counted(image_run(loss, steps, pretended.device, room)[0], pretended)
    assert waits[MANY] == waits[FEW]
    assert all(0 < epoch.total() <= WAITS_OF_AN_EPOCH for epoch in waits[MANY])
    assert_equal_metrics(reports, list(image_run(loss, MANY, CPU, room)[0].epochs()))


def test_a_table_on_disk_waits_where_the_teacher_answers_and_not_where_logits_are_read() -> None:
    with PretendedDevice() as pretended:
        run, teacher = image_run("kd", MANY, pretended.device, DISK)
        waits, reports = counted(run, pretended)
        table = teacher.table
        assert table is not None
        assert table.kept == "on disk"
        epochs, asked = EPOCHS * WAITS_OF_AN_EPOCH, -(-table.computed // BATCH)
        assert sum(epoch.total() for epoch in waits) == epochs + asked
        assert sum(epoch[TO_DEVICE] for epoch in waits) == 0
    assert_equal_metrics(reports, list(image_run("kd", MANY, CPU, DISK)[0].epochs()))


def test_an_evaluation_batch_of_images_never_waits() -> None:
    random = np.random.default_rng(0)
    with PretendedDevice() as pretended:
        network = build_network(NETWORK, input_shape=(3, 8, 8), classes=CLASSES).to(pretended.device)
        pixels_NHWC = random.integers(0, 256, (5 * BATCH, 8, 8, 3), dtype=np.uint8)
        split = ImageSplit(pixels_NHWC, random.integers(0, CLASSES, 5 * BATCH))
        images = ResidentImages(split, device=pretended.device, mean=(0.5,) * 3, std=(0.25,) * 3)
        pretended.clear()
        probabilities_NC = evaluation.predict(network, images, classes=CLASSES, workers=ALONE, bf16=False)
        assert pretended.count == 0
        evaluation.error_and_loss(probabilities_NC, images.labels_N)
        assert pretended.count == 1


# Language models

STREAMS, WINDOW, WORDS = 3, 4, 11
VOCABULARY = (*("w" * (1 + number) for number in range(WORDS - 1)), "<eos>")
LSTM = Lstm(units=6, layers=2, dropout=0.2, initial_range=0.1)
CNN_LSTM = CnnLstm(
    units=6, layers=1, dropout=0.2, initial_range=0.1, character_embedding=3, widths=(1, 2), maps_per_width=3, highway=1
)
NETWORKS = pytest.mark.parametrize("network", [LSTM, CNN_LSTM], ids=["lstm", "cnn-lstm"])


def language_run(
    network: Lstm | CnnLstm, loss: Any, steps: int, device: torch.device, room: dict[str, float]
) -> LanguageRun:
    random = np.random.default_rng(0)
    tokens_N = random.integers(0, WORDS, steps * STREAMS * WINDOW, dtype=np.int32)
    text = TextData(tokens_N, tokens_N[:20], tokens_N[:20], VOCABULARY, WORDS - 1)
    generation = make_generation(
        network, loss, {**RECIPES["lstm"], "batch_size": STREAMS, "window": WINDOW, "epochs": EPOCHS}, data="text"
    )
    torch.manual_seed(0)
    model = build_language_model(network, vocabulary=VOCABULARY).eval().requires_grad_(requires_grad=False)
    teacher = LanguageTeacher(model.to(device), memory_bytes=room.get("memory", 0), disk_bytes=room.get("disk", 0))
    return LanguageRun(
        generation,
        text,
        teacher=None if loss == "labels" else teacher,
        device=device,
        diagnostics=True,
    )


@NETWORKS
@pytest.mark.parametrize(
    ("loss", "room"),
    [("labels", NOTHING), *((loss, room) for loss in WITH_LOGITS for room in (MEMORY, NOTHING))],
    ids=name,
)
def test_a_step_of_a_language_model_never_waits(network: Lstm | CnnLstm, loss: Any, room: dict[str, float]) -> None:
    waits = {}
    for steps in (FEW, MANY):
        with PretendedDevice() as pretended:
            waits[steps], reports = counted(language_run(network, loss, steps, pretended.device, room), pretended)
    assert waits[MANY] == waits[FEW]
    # In the first epoch the teacher reads the validation text, too, for its two answers.
    assert 0 < waits[MANY][0].total() <= WAITS_OF_AN_EPOCH + 2
    assert 0 < waits[MANY][1].total() <= WAITS_OF_AN_EPOCH
    assert_equal_metrics(reports, list(language_run(network, loss, MANY, CPU, room).epochs()))


def test_hidden_states_that_are_kept_make_no_step_wait() -> None:
    small = LSTM.model_copy(update={"units": 3})
    room = {"memory": MANY * STREAMS * WINDOW * small.units * 4}
    with PretendedDevice() as pretended:
        run = language_run(small, "kd", MANY, pretended.device, room)
        waits, _ = counted(run, pretended)
        assert run._loss_teacher is not None
        assert run._loss_teacher.outputs is not None
        assert run._loss_teacher.outputs.kept == "hidden states"
    assert [epoch.total() for epoch in waits] == [WAITS_OF_AN_EPOCH + 2, WAITS_OF_AN_EPOCH]


@NETWORKS
def test_logits_on_disk_wait_in_the_first_epoch_where_they_are_written(network: Lstm | CnnLstm) -> None:
    with PretendedDevice() as pretended:
        waits, reports = counted(language_run(network, "kd", MANY, pretended.device, DISK), pretended)
    assert waits[0][TO_HOST] == waits[1][TO_HOST] + 2 + MANY
    assert waits[0][TO_DEVICE] == waits[1][TO_DEVICE] == 0
    assert waits[1].total() <= WAITS_OF_AN_EPOCH
    assert_equal_metrics(reports, list(language_run(network, "kd", MANY, CPU, DISK).epochs()))


@NETWORKS
def test_a_window_of_a_text_that_is_read_never_waits(network: Lstm | CnnLstm) -> None:
    tokens_N = np.random.default_rng(0).integers(0, WORDS, 20, dtype=np.int32)

    def read(device: torch.device, window: int) -> torch.Tensor:
        model = build_language_model(network, vocabulary=VOCABULARY).to(device)
        text = read_text(model, tokens_N, end_of_sentence=0, device=device, bf16=False, window=window)
        return text.log_probabilities_N

    waits = []
    for window in (20, 3):
        with PretendedDevice() as pretended:
            torch.manual_seed(0)
            answers = read(pretended.device, window)
            assert not pretended.holds(answers)
            waits.append(pretended.count)
    assert waits[0] == waits[1]
    torch.manual_seed(0)
    torch.testing.assert_close(answers, read(CPU, 20), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("network", [None, LSTM, CNN_LSTM], ids=["image", "lstm", "cnn-lstm"])
def test_a_finished_run_has_the_answers_of_the_cpu(network: Lstm | CnnLstm | None) -> None:
    def run_on(device: torch.device) -> GenerationRun:
        if network is None:
            return image_run("dkpp", FEW, device, MEMORY)[0]
        return language_run(network, "dkpp", FEW, device, MEMORY)

    def result(run: GenerationRun) -> dict[str, float]:
        list(run.epochs())
        return run.result().metrics

    with PretendedDevice() as pretended:
        on_device = result(run_on(pretended.device))
    assert on_device == pytest.approx(result(run_on(CPU)), rel=1e-6, abs=1e-9)
