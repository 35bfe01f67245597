"""What a table answers is what the teacher would say, bit for bit, computed once for each view that was drawn."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from bansweep.training.target_table import TargetTable, batch_size
from bansweep.training.teacher import LastTeacher, Teacher
from bansweep.training.workers import ALONE, Workers

Make = Callable[..., Generation]
Teach = Callable[..., Teacher]

CPU = torch.device("cpu")
IMAGES, CLASSES, BATCH = 128, 10, 24
STEPS = IMAGES // BATCH  # 8 images are left over
CROPS = Augmentation(pad=1, fill="zero", flip=False)
ROOM = {"memory_bytes": 1e9}
DISK = {"disk_bytes": 1e9}
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
    augmentation: Augmentation | None = CROPS, *, images: int = IMAGES, classes: int = CLASSES, **room: float
) -> TargetTable:
    return TargetTable(augmentation, images=images, classes=classes, bf16=False, device=CPU, **room)


@pytest.fixture
def teach(teacher_weights: bytes, make_generation: Make, digits: ImageData) -> Teach:
    """Makes a teacher that keeps nothing yet and has this much room."""
    network = make_generation().network
    return lambda **room: Teacher(  # type: ignore[arg-type]
        network, teacher_weights, input_shape=digits.input_shape, classes=CLASSES, device=CPU, **room
    )


def asked(
    teacher: Teacher,
    images: ResidentImages,
    shares: Sequence[Tensor],
    views: Views | None,
    augmentation: Augmentation | None = CROPS,
    *,
    bf16: bool = False,
) -> Iterator[Tensor]:
    return teacher.logits_of_epoch(images, shares, views, augmentation=augmentation, bf16=bf16)


def table_of(teacher: Teacher) -> TargetTable:
    assert teacher.table is not None
    return teacher.table


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
def said(teacher: Teacher, digits: ImageData, views: Views | None, *, bf16: bool) -> Tensor:
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
    augmentation: Augmentation | None, bf16: bool, digits: ImageData, teach: Teach
) -> None:
    teachers = [teach(**room) for room in (ROOM, DISK, {})]
    images = resident(digits)
    seen: set[tuple[int, ...]] = set()
    for epoch in (1, 2, 3):
        shares, views = drawn(augmentation, epoch)
        seen |= distinct(shares, views)
        expected = said(teachers[0], digits, views, bf16=bf16)
        for teacher in teachers:
            steps = list(asked(teacher, images, shares, views, augmentation, bf16=bf16))
            assert len(steps) == STEPS
            for logits, share in zip(steps, shares, strict=True):
                assert logits.dtype == (torch.bfloat16 if bf16 else torch.float16)
                assert torch.equal(logits, expected[share])
    tables = list(map(table_of, teachers))
    assert [table.kept for table in tables] == ["in memory", "on disk", "nothing"]
    assert [table.computed for table in tables] == [len(seen), len(seen), 3 * STEPS * BATCH]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_worker_asks_for_the_distinct_views_of_its_share_and_no_others(
    size: int, digits: ImageData, teach: Teach
) -> None:
    images = resident(digits)
    for rank in range(size):
        teacher, seen = teach(**ROOM), set()
        for epoch in range(1, 6):
            shares, views = drawn(CROPS, epoch, Workers(rank, size))
            for logits in asked(teacher, images, shares, views):
                assert not logits.requires_grad
            seen |= distinct(shares, views)
            assert table_of(teacher).computed == len(seen)
        assert len(seen) < 5 * STEPS * BATCH / size, "some were drawn twice, or this shows nothing"


def test_the_teacher_is_never_shown_another_number_of_images(digits: ImageData, teach: Teach) -> None:
    shown: list[int] = []
    images = resident(digits)
    for room in (ROOM, {}):
        for workers in (ALONE, Workers(1, 2)):
            teacher = teach(**room)
            teacher.network.register_forward_pre_hook(lambda _, inputs: shown.append(len(inputs[0])))
            for epoch in (1, 2):
                list(asked(teacher, images, *drawn(CROPS, epoch, workers)))
    assert set(shown) == {batch_size(CPU)}


@pytest.mark.parametrize("room", [ROOM, {}], ids=["kept", "not kept"])
def test_an_epoch_that_is_left_does_not_disturb_the_next(
    room: dict[str, float], digits: ImageData, teach: Teach
) -> None:
    teacher, images = teach(**room), resident(digits)
    left = asked(teacher, images, *drawn(CROPS, 1))
    next(left)
    next(left)
    shares, views = drawn(CROPS, 2)
    expected = said(teacher, digits, views, bf16=False)
    assert torch.equal(torch.cat(list(asked(teacher, images, shares, views))), expected[torch.cat(shares)])


def test_another_augmentation_or_precision_makes_the_table_anew(digits: ImageData, teach: Teach) -> None:
    teacher, images = teach(**ROOM), resident(digits)
    for augmentation, bf16 in [(CROPS, False), (CROPS, True), (None, True), (CROPS, False)]:
        shares, views = drawn(augmentation, 1)
        gone = None if teacher.table is None else weakref.ref(teacher.table)
        logits = torch.cat(list(asked(teacher, images, shares, views, augmentation, bf16=bf16)))
        assert torch.equal(logits, said(teacher, digits, views, bf16=bf16)[torch.cat(shares)])
        assert table_of(teacher).computed == STEPS * BATCH
        assert gone is None or gone() is None, "two would take twice the memory"


def test_the_size_is_two_bytes_for_each_class_of_each_view_that_can_be_drawn() -> None:
    def cifar(classes: int, augmentation: Augmentation | None) -> int:
        return make_table(augmentation, images=50_000, classes=classes).bytes

    assert cifar(100, Augmentation()) == 1_620_000_000
    assert cifar(10, Augmentation()) == 162_000_000
    assert cifar(10, Augmentation(flip=False)) == 81_000_000
    assert cifar(10, None) == 1_000_000


def test_a_byte_less_keeps_less() -> None:
    size = IMAGES * 9 * CLASSES * 2
    rooms = [(size, 0), (size - 1, size), (size - 1, size - 1)]
    kept = [make_table(memory_bytes=memory, disk_bytes=disk).kept for memory, disk in rooms]
    assert kept == ["in memory", "on disk", "nothing"]


def finish(run: ImageRun) -> dict[str, Tensor]:
    for _ in run.epochs():
        pass
    return {name: tensor.clone() for name, tensor in run.network.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("loss", ["kd", "kd+labels", "cwtm", "dkpp"])
def test_room_changes_no_bit_of_what_is_learnt(
    loss: str, precision: str, make_generation: Make, digits: ImageData, teach: Teach
) -> None:
    generation = make_generation(loss=loss, teacher="t", precision=precision, epochs=3)
    rooms: list[dict[str, float]] = [ROOM, DISK, {}]
    learnt = [finish(ImageRun(generation, digits, teacher=teach(**room))) for room in rooms]
    assert equal(learnt[0], learnt[1])
    assert equal(learnt[0], learnt[2])


@pytest.mark.parametrize("room", [ROOM, {}], ids=["kept", "not kept"])
def test_a_resumed_student_learns_the_same_bits(
    room: dict[str, float], make_generation: Make, digits: ImageData, teach: Teach
) -> None:
    generation = make_generation(loss="kd", teacher="t", epochs=4)
    expected = finish(ImageRun(generation, digits, teacher=teach(**ROOM)))

    interrupted = ImageRun(generation, digits, teacher=teach(**room))
    epochs = interrupted.epochs()
    next(epochs)
    next(epochs)
    # Another process knows nothing of what was computed before.
    teacher = teach(**room)
    resumed = ImageRun(generation, digits, teacher=teacher)
    resumed.resume(interrupted.snapshot(), interrupted.history)
    assert equal(finish(resumed), expected)
    assert table_of(teacher).computed <= 2 * IMAGES


def test_students_of_one_teacher_share_what_was_computed(
    make_generation: Make, digits: ImageData, teach: Teach
) -> None:
    teacher = teach(**ROOM)
    first = make_generation(loss="kd", teacher="t", epochs=4)
    finish(ImageRun(first, digits, teacher=teacher))
    table = table_of(teacher)
    of_first = table.computed
    # Of the same seed, hence with the same views, but another loss: nothing is missing.
    sibling = make_generation(loss="dkpp", teacher="t", epochs=4)
    shared = finish(ImageRun(sibling, digits, teacher=teacher))
    assert table.computed == of_first
    assert equal(shared, finish(ImageRun(sibling, digits, teacher=teach())))

    finish(ImageRun(make_generation(loss="kd", teacher="t", epochs=4, seed=2), digits, teacher=teacher))
    assert of_first < table.computed < 2 * of_first
    assert teacher.table is table


def test_a_loss_that_compares_stages_makes_no_table(make_generation: Make, digits: ImageData, teach: Teach) -> None:
    teacher = teach(**ROOM)
    finish(ImageRun(make_generation(loss="kd+activations", teacher="t", epochs=1), digits, teacher=teacher))
    assert teacher.table is None


class AskedInTheStep(ImageRun):
    """As it would be without a table: the teacher sees the student's batch."""

    def _teacher_logits(self, shares: Sequence[Tensor], views: Views | None) -> Iterable[Tensor | None]:  # noqa: ARG002
        return [None] * len(shares)


@pytest.mark.parametrize("loss", ["kd", "kd+labels", "cwtm", "dkpp"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_loss_curve_is_that_of_a_teacher_asked_in_the_step(
    loss: str, precision: str, make_generation: Make, digits: ImageData, teacher: Teacher
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
    learnt = []
    for room in (ROOM, {}):
        teacher = Teacher(  # type: ignore[arg-type]
            generation.network, teacher_weights, input_shape=shape, classes=CLASSES, device=CPU, **room
        )
        run = ImageRun(generation, data, teacher=teacher, workers=workers)
        finish(run)
        learnt.append((table_of(teacher).computed, run.network.classifier.weight.flatten().tolist()))
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


def test_a_process_keeps_the_last_teacher_and_lets_it_go_before_the_next_is_made(teach: Teach) -> None:
    last = LastTeacher()
    teacher = last.get(("teacher", 1), teach)
    assert last.get(("teacher", 1), lambda: pytest.fail("it is there")) is teacher
    gone = weakref.ref(teacher)
    del teacher

    def make_next() -> Teacher:
        assert gone() is None, "two would take twice the memory"
        return teach()

    following = last.get(("teacher", 2), make_next)
    assert last.get(("teacher", 1), teach) is not following


def test_a_teacher_that_was_dropped_is_made_again(teach: Teach) -> None:
    last = LastTeacher()
    gone = weakref.ref(last.get(1, teach))
    last.clear()
    assert gone() is None
    made = teach()
    assert last.get(1, lambda: made) is made


def test_a_teacher_that_could_not_be_made_leaves_none(teach: Teach) -> None:
    last = LastTeacher()
    last.get(1, teach)

    def fail() -> Teacher:
        raise MemoryError

    with pytest.raises(MemoryError):
        last.get(2, fail)
    made = teach()
    assert last.get(1, lambda: made) is made
