"""What a table answers is what the teacher would say, bit for bit, computed once for each view that was drawn."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from process_group import in_group
from torch import Tensor

from bansweep.config.data import Digits
from bansweep.config.recipes import Augmentation
from bansweep.data.augmentation import Views, draw_views, epoch_order
from bansweep.data.datasets import ImageData, ImageSplit, load_images
from bansweep.data.resident import ResidentImages
from bansweep.graph.generation import Generation
from bansweep.training.image_run import ImageRun
from bansweep.training.target_table import LastTable, TargetTable, batch_size
from bansweep.training.teacher import FrozenTeacher
from bansweep.training.workers import ALONE, Workers

Make = Callable[..., Generation]

CPU = torch.device("cpu")
IMAGES, CLASSES, BATCH = 128, 10, 24
STEPS = IMAGES // BATCH  # 8 images are left over
CROPS = Augmentation(pad=1, fill="zero", flip=False)
ROOM = {"memory": 1e9}
AUGMENTATIONS = [
    None,
    Augmentation(pad=0, flip=False),
    Augmentation(pad=0, flip=True),
    CROPS,
    Augmentation(pad=1, fill="reflect", flip=True),
    Augmentation(pad=4, fill="reflect", flip=True),
    Augmentation(pad=4, fill="zero", flip=False),
]


def make_table(
    teacher: FrozenTeacher,
    augmentation: Augmentation | None = CROPS,
    *,
    memory: float = 0,
    disk: float = 0,
    bf16: bool = False,
) -> TargetTable:
    return TargetTable(
        teacher, augmentation, images=IMAGES, classes=CLASSES, bf16=bf16, memory_bytes=memory, disk_bytes=disk
    )


def resident(digits: ImageData, split: ImageSplit | None = None) -> ResidentImages:
    return ResidentImages(split or digits.train, device=CPU, mean=digits.mean, std=digits.std)


def drawn(
    augmentation: Augmentation | None, epoch: int, workers: Workers = ALONE, seed: int = 7
) -> tuple[list[Tensor], Views | None]:
    """A worker's samples of each step, and the epoch's views."""
    order = epoch_order(IMAGES, seed, epoch)
    shares = [workers.share(order[step * BATCH : (step + 1) * BATCH]) for step in range(STEPS)]
    return shares, draw_views(augmentation, IMAGES, seed, epoch) if augmentation else None


def distinct(shares: Iterable[Tensor], views: Views | None) -> set[tuple[int, ...]]:
    indices = torch.cat(list(shares)).tolist()
    if views is None:
        return {(index,) for index in indices}
    return {(i, int(views.dy_N[i]), int(views.dx_N[i]), int(views.flip_N[i])) for i in indices}


def cropped(digits: ImageData, views: Views | None) -> ImageSplit:
    """The views as images of their own, cut out by NumPy."""
    images = np.array(digits.train.images_NHWC)
    if views is not None:
        margin = ((views.pad, views.pad), (views.pad, views.pad), (0, 0))
        height, width = images.shape[1:3]
        for number, image in enumerate(images):
            padded = np.pad(image, margin, mode="reflect" if views.fill == "reflect" else "constant")
            dy, dx = int(views.dy_N[number]), int(views.dx_N[number])
            crop = padded[dy : dy + height, dx : dx + width]
            images[number] = crop[:, ::-1] if views.flip_N[number] else crop
    return ImageSplit(images, np.array(digits.train.labels_N))


@torch.no_grad()
def said(teacher: FrozenTeacher, digits: ImageData, views: Views | None, *, bf16: bool) -> Tensor:
    """What the teacher says of all images, in the order of the set: (N, C) in 16 bits."""
    images = resident(digits, cropped(digits, views))
    logits = []
    for indices in torch.arange(IMAGES).split(batch_size(CPU)):
        pixels, _ = images.batch(indices, None)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            logits.append(teacher.network(pixels))
    logits_NC = torch.cat(logits)
    return logits_NC if bf16 else (logits_NC - logits_NC.max(dim=1, keepdim=True).values).half()


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=str)
def test_every_step_is_told_what_the_teacher_says_of_its_views(
    augmentation: Augmentation | None, bf16: bool, digits: ImageData, teacher: FrozenTeacher
) -> None:
    tables = [make_table(teacher, augmentation, bf16=bf16, **room) for room in (ROOM, {"disk": 1e9}, {})]
    assert [table.kept for table in tables] == ["in memory", "on disk", "nothing"]
    images = resident(digits)
    seen: set[tuple[int, ...]] = set()
    for epoch in (1, 2, 3):
        shares, views = drawn(augmentation, epoch)
        seen |= distinct(shares, views)
        expected = said(teacher, digits, views, bf16=bf16)
        for table in tables:
            steps = list(table.of_epoch(images, shares, views))
            assert len(steps) == STEPS
            for logits, share in zip(steps, shares, strict=True):
                assert logits.dtype == (torch.bfloat16 if bf16 else torch.float16)
                assert torch.equal(logits, expected[share])
    assert [table.computed for table in tables] == [len(seen), len(seen), 3 * STEPS * BATCH]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_worker_asks_for_the_distinct_views_of_its_share_and_no_others(
    size: int, digits: ImageData, teacher: FrozenTeacher
) -> None:
    images = resident(digits)
    for rank in range(size):
        table, seen = make_table(teacher, memory=1e9), set()
        for epoch in range(1, 6):
            shares, views = drawn(CROPS, epoch, Workers(rank, size))
            for logits in table.of_epoch(images, shares, views):
                assert not logits.requires_grad
            seen |= distinct(shares, views)
            assert table.computed == len(seen)
        assert len(seen) < 5 * STEPS * BATCH / size, "some were drawn twice, or this shows nothing"


def test_the_teacher_is_never_shown_another_number_of_images(digits: ImageData, teacher: FrozenTeacher) -> None:
    shown: list[int] = []
    teacher.network.register_forward_pre_hook(lambda _, inputs: shown.append(len(inputs[0])))
    images = resident(digits)
    for room in (ROOM, {}):
        for workers in (ALONE, Workers(1, 2)):
            table = make_table(teacher, **room)
            for epoch in (1, 2):
                list(table.of_epoch(images, *drawn(CROPS, epoch, workers)))
    assert set(shown) == {batch_size(CPU)}


@pytest.mark.parametrize("room", [ROOM, {}], ids=["kept", "not kept"])
def test_an_epoch_that_is_left_does_not_disturb_the_next(
    room: dict[str, float], digits: ImageData, teacher: FrozenTeacher
) -> None:
    table, images = make_table(teacher, **room), resident(digits)
    left = table.of_epoch(images, *drawn(CROPS, 1))
    next(left)
    next(left)
    shares, views = drawn(CROPS, 2)
    expected = said(teacher, digits, views, bf16=False)
    assert torch.equal(torch.cat(list(table.of_epoch(images, shares, views))), expected[torch.cat(shares)])


def test_the_size_is_two_bytes_for_each_class_of_each_view_that_can_be_drawn(teacher: FrozenTeacher) -> None:
    def cifar(classes: int, augmentation: Augmentation | None) -> int:
        return TargetTable(teacher, augmentation, images=50_000, classes=classes, bf16=True).bytes

    assert cifar(100, Augmentation()) == 1_620_000_000
    assert cifar(10, Augmentation()) == 162_000_000
    assert cifar(10, Augmentation(flip=False)) == 81_000_000
    assert cifar(10, None) == 1_000_000


def test_a_byte_less_keeps_less(teacher: FrozenTeacher) -> None:
    size = IMAGES * 9 * CLASSES * 2
    kept = [make_table(teacher, memory=memory, disk=disk).kept for memory, disk in [(size, 0), (size - 1, size)]]
    assert kept == ["in memory", "on disk"]
    assert make_table(teacher, memory=size - 1, disk=size - 1).kept == "nothing"


def finish(run: ImageRun) -> dict[str, Tensor]:
    for _ in run.epochs():
        pass
    return {name: tensor.clone() for name, tensor in run.network.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("loss", ["kd", "kd+labels", "cwtm", "dkpp"])
def test_room_changes_no_bit_of_what_is_learnt(
    loss: str, precision: str, make_generation: Make, digits: ImageData, teacher: FrozenTeacher
) -> None:
    generation = make_generation(loss=loss, teacher="t", precision=precision, epochs=3)
    bf16 = precision == "bf16"
    rooms: list[dict[str, float]] = [ROOM, {"disk": 1e9}, {}]
    learnt = [
        finish(ImageRun(generation, digits, teacher=teacher, targets=make_table(teacher, bf16=bf16, **room)))
        for room in rooms
    ]
    assert equal(learnt[0], learnt[1])
    assert equal(learnt[0], learnt[2])


@pytest.mark.parametrize("room", [ROOM, {}], ids=["kept", "not kept"])
def test_a_resumed_student_learns_the_same_bits(
    room: dict[str, float], make_generation: Make, digits: ImageData, teacher: FrozenTeacher
) -> None:
    generation = make_generation(loss="kd", teacher="t", epochs=4)
    whole = make_table(teacher, memory=1e9)
    expected = finish(ImageRun(generation, digits, teacher=teacher, targets=whole))

    interrupted = ImageRun(generation, digits, teacher=teacher, targets=make_table(teacher, **room))
    epochs = interrupted.epochs()
    next(epochs)
    next(epochs)
    # Another process knows nothing of what was computed before.
    table = make_table(teacher, **room)
    resumed = ImageRun(generation, digits, teacher=teacher, targets=table)
    resumed.resume(interrupted.snapshot(), interrupted.history)
    assert equal(finish(resumed), expected)
    assert table.computed <= 2 * IMAGES


def test_students_of_one_teacher_share_what_was_computed(
    make_generation: Make, digits: ImageData, teacher: FrozenTeacher
) -> None:
    table = make_table(teacher, memory=1e9)
    first = make_generation(loss="kd", teacher="t", epochs=4)
    finish(ImageRun(first, digits, teacher=teacher, targets=table))
    of_first = table.computed
    # Of the same seed, hence with the same views, but another loss: nothing is missing.
    sibling = make_generation(loss="dkpp", teacher="t", epochs=4)
    shared = finish(ImageRun(sibling, digits, teacher=teacher, targets=table))
    assert table.computed == of_first
    assert equal(shared, finish(ImageRun(sibling, digits, teacher=teacher)))

    finish(ImageRun(make_generation(loss="kd", teacher="t", epochs=4, seed=2), digits, teacher=teacher, targets=table))
    assert of_first < table.computed < 2 * of_first


class AskedInTheStep(ImageRun):
    """As it would be without a table: the teacher sees the student's batch."""

    def _teacher_logits(self, shares: Sequence[Tensor], views: Views | None) -> Iterable[Tensor | None]:  # noqa: ARG002
        return [None] * len(shares)


@pytest.mark.parametrize("loss", ["kd", "kd+labels", "cwtm", "dkpp"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_loss_curve_is_that_of_a_teacher_asked_in_the_step(
    loss: str, precision: str, make_generation: Make, digits: ImageData, teacher: FrozenTeacher
) -> None:
    generation = make_generation(loss=loss, teacher="t", precision=precision, epochs=4, learning_rate=0.02)
    curves = [
        [report.metrics["train_loss"] for report in kind(generation, digits, teacher=teacher).epochs()]
        for kind in (ImageRun, AskedInTheStep)
    ]
    assert curves[0][0] == pytest.approx(curves[1][0], abs=1e-3)
    # Any change of the last bits grows, where a unit at the kink of its ReLU goes the other way.
    assert curves[0] == pytest.approx(curves[1], rel=5e-3)


def learnt_by_a_worker(
    workers: Workers, generation: Generation, folder: Path, teacher_weights: bytes
) -> list[tuple[int, list[float]]]:
    data = load_images(Digits(limit=IMAGES, test_limit=100), folder)
    shape = data.input_shape
    teacher = FrozenTeacher(generation.network, teacher_weights, input_shape=shape, classes=CLASSES, device=CPU)  # type: ignore[arg-type]
    learnt = []
    for room in (ROOM, {}):
        table = make_table(teacher, **room)
        run = ImageRun(generation, data, teacher=teacher, targets=table, workers=workers)
        finish(run)
        learnt.append((table.computed, run.network.classifier.weight.flatten().tolist()))
    return learnt


def test_room_changes_no_bit_of_what_two_workers_learn(
    make_generation: Make, data_folder: Path, teacher_weights: bytes
) -> None:
    generation = make_generation(loss="kd", teacher="t", epochs=3)
    both = in_group(2, learnt_by_a_worker, generation, data_folder, teacher_weights)
    for (kept, weights), (not_kept, weights_without) in both:
        assert weights == weights_without
        assert kept < not_kept == 3 * IMAGES / 2
    assert both[0][0][1] == both[1][0][1]


def test_a_process_keeps_the_last_table_and_lets_it_go_before_the_next_is_made(teacher: FrozenTeacher) -> None:
    last = LastTable()
    table = last.get(("teacher", 1), lambda: make_table(teacher, memory=1e9))
    assert last.get(("teacher", 1), lambda: pytest.fail("it is there")) is table
    gone = weakref.ref(table)
    del table

    def make_next() -> TargetTable:
        assert gone() is None, "two would take twice the memory"
        return make_table(teacher)

    following = last.get(("teacher", 2), make_next)
    assert last.get(("teacher", 1), lambda: make_table(teacher)) is not following


def test_a_table_that_was_dropped_is_made_again(teacher: FrozenTeacher) -> None:
    last = LastTable()
    gone = weakref.ref(last.get(1, lambda: make_table(teacher, memory=1e9)))
    last.clear()
    assert gone() is None
    made = make_table(teacher)
    assert last.get(1, lambda: made) is made


def test_a_table_that_could_not_be_made_leaves_none(teacher: FrozenTeacher) -> None:
    last = LastTable()
    last.get(1, lambda: make_table(teacher))

    def fail() -> TargetTable:
        raise MemoryError

    with pytest.raises(MemoryError):
        last.get(2, fail)
    made = make_table(teacher)
    assert last.get(1, lambda: made) is made
