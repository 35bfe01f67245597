"""What a process keeps from one job for the next: the last teacher with its table, and no other."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from pretended_device import PretendedDevice

from bansweep.cluster.job import GenerationJob
from bansweep.cluster.training_job import drop_last_teacher, prepare_run, train_and_publish
from bansweep.cluster.trial import _free_memory
from bansweep.config.data import Digits
from bansweep.config.recipes import RECIPES, Augmentation
from bansweep.data.fingerprint import data_identity
from bansweep.graph.generation import Generation
from bansweep.store.store import Store
from bansweep.training.image_run import ImageRun
from bansweep.training.snapshot import weights_bytes
from bansweep.training.target_table import TargetTable
from bansweep.training.teacher import Teacher
from bansweep.training.workers import ALONE

CPU = torch.device("cpu")
CROPS = Augmentation(pad=1, fill="zero", flip=False)


def make_job(store: Path, *, memory_gb: float = 1.0, data: Digits | None = None, **changes: Any) -> GenerationJob:
    data = data or Digits(limit=96, test_limit=20)
    recipe = {**RECIPES["wide-resnet"], "epochs": 2, "batch_size": 32, "augmentation": CROPS}
    recipe.update({name: changes.pop(name) for name in list(changes) if name in recipe})
    fields = {
        "network": "wrn-10-1",
        "loss": "labels",
        "recipe": recipe,
        "data": data_identity(data),
        "precision": "fp32",
        "seed": 1,
        "generation_index": 0,
        "teacher": None,
    }
    generation = Generation.model_validate({**fields, **changes})
    return GenerationJob(generation=generation, label="one", data=data, store=str(store), teacher_memory_gb=memory_gb)


def run_of(job: GenerationJob) -> ImageRun:
    run = prepare_run(job, device=CPU, workers=ALONE).run
    assert isinstance(run, ImageRun)
    return run


def teacher_of(job: GenerationJob) -> Teacher | None:
    return run_of(job)._asked


def table_of(job: GenerationJob) -> TargetTable | None:
    """The table that an epoch leaves."""
    run = run_of(job)
    next(run.epochs())
    return None if run._asked is None else run._asked.table


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A store, and the ids of two generations in it that can teach."""
    folder = tmp_path_factory.mktemp("teachers")
    ids = []
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BANSWEEP_CACHE", str(folder / "cache"))
        for seed in (1, 2):
            job = make_job(folder / "store", seed=seed, epochs=1)
            train_and_publish(job, workers=ALONE, device=CPU, on_epoch=lambda _: None)
            ids.append(job.generation.id)
    return folder, ids[0], ids[1]


@pytest.fixture
def store(teachers: tuple[Path, str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BANSWEEP_CACHE", str(teachers[0] / "cache"))
    return teachers[0] / "store"


def test_students_of_one_teacher_have_one_table(teachers: tuple[Path, str, str], store: Path) -> None:
    _, teacher, _ = teachers
    first = run_of(make_job(store, loss="kd", teacher=teacher))
    for _ in first.epochs():
        pass
    teacher_of_first = first._asked
    assert teacher_of_first is not None
    table = teacher_of_first.table
    assert table is not None
    assert table.kept == "in memory"
    assert 96 < table.computed <= 2 * 96
    for changes in ({"loss": "dkpp"}, {"loss": "cwtm", "seed": 9}, {"loss": "kd", "network": "wrn-16-1", "epochs": 7}):
        job = make_job(store, teacher=teacher, **changes)
        assert table_of(job) is table, changes
        assert teacher_of(job) is teacher_of_first, "one copy of the teacher is enough"
    comparing_stages = make_job(store, loss="kd+activations", teacher=teacher)
    assert teacher_of(comparing_stages) is teacher_of_first


@pytest.mark.parametrize(
    "changes",
    [
        {"augmentation": None},
        {"augmentation": CROPS.model_copy(update={"pad": 2})},
        {"augmentation": CROPS.model_copy(update={"fill": "reflect"})},
        {"augmentation": CROPS.model_copy(update={"flip": True})},
        {"precision": "bf16"},
        {"data": Digits(limit=95, test_limit=20)},
        {"data": Digits(limit=96, validation=10, test_limit=20)},
        {"memory_gb": 0.0},
    ],
    ids=str,
)
def test_what_logits_depend_on_has_a_table_of_its_own(
    changes: dict[str, Any], teachers: tuple[Path, str, str], store: Path
) -> None:
    _, teacher, _ = teachers
    table = table_of(make_job(store, loss="kd", teacher=teacher))
    other = table_of(make_job(store, loss="kd", teacher=teacher, **changes))
    assert other is not None
    assert other is not table


def test_another_teacher_takes_the_place_of_the_last(teachers: tuple[Path, str, str], store: Path) -> None:
    _, teacher, other = teachers
    run = run_of(make_job(store, loss="kd", teacher=teacher))
    for _ in run.epochs():
        pass
    assert run._asked is not None
    gone = weakref.ref(run._asked)
    gc.disable()
    try:
        del run
        following = run_of(make_job(store, loss="kd", teacher=other))
        assert gone() is None, "nothing else holds the memory of a table that is not needed"
    finally:
        gc.enable()
    assert following._asked is not None
    assert weights_bytes(following._asked.network) == Store(store).weights(other)
    assert Store(store).weights(other) != Store(store).weights(teacher)


def test_who_compares_stages_or_learns_from_labels_has_none(teachers: tuple[Path, str, str], store: Path) -> None:
    _, teacher, _ = teachers
    drop_last_teacher()
    assert table_of(make_job(store, loss="kd+activations", teacher=teacher)) is None
    assert table_of(make_job(store, teacher=teacher, shared_layers="frozen")) is None
    assert table_of(make_job(store)) is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="pretends a device that this machine has")
def test_a_trials_end_leaves_nothing_on_a_gpu(
    teachers: tuple[Path, str, str], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process or another teacher's student may be next."""
    _, teacher, _ = teachers
    with PretendedDevice() as pretended:
        held_at_emptying = []
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: held_at_emptying.append(pretended.allocations))
        job = make_job(store, loss="kd", teacher=teacher, seed=3)
        assert train_and_publish(job, workers=ALONE, device=pretended.device, on_epoch=lambda _: None)
        assert pretended.allocations > 0, "the table stays for the next student"
        _free_memory(on_gpu=True)
        assert held_at_emptying == [0], "PyTorch can give back only what nothing holds any more"
    assert Store(store).finished([job.generation.id])


def test_a_trials_end_keeps_the_last_table_on_a_cpu(teachers: tuple[Path, str, str], store: Path) -> None:
    _, teacher, _ = teachers
    table = table_of(make_job(store, loss="kd", teacher=teacher))
    _free_memory(on_gpu=False)
    assert table_of(make_job(store, loss="kd", teacher=teacher)) is table
