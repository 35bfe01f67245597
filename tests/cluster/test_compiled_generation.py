"""A generation stays compiled or uncompiled as it began, and says so where it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from bansweep.cluster.job import GenerationJob
from bansweep.cluster.training_job import prepare_run, train_and_publish
from bansweep.config.data import Digits
from bansweep.config.recipes import RECIPES
from bansweep.data.fingerprint import data_identity
from bansweep.graph.events import CompileFailure
from bansweep.graph.generation import Generation
from bansweep.store.progress import Progress
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store
from bansweep.training import compilation
from bansweep.training.workers import ALONE

CPU = torch.device("cpu")
DIGITS = Digits(limit=64, test_limit=20)
LINEAR = """\
from torch import nn

def linear(input_shape, classes):
    channels, height, width = input_shape
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes), nn.ReLU())
"""
NETWORK = {"kind": "python", "code": {"file": "mine.py", "name": "linear", "text": LINEAR}}
Reports = list[tuple[CompileFailure | None, int]]


@pytest.fixture(autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Iterator[None]:
    from torch._inductor.utils import fresh_cache

    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("TORCHINDUCTOR_COMPILE_THREADS", raising=False)
        environment.setenv("BANSWEEP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        torch.set_num_threads(1)
        with fresh_cache(dir=str(tmp_path)):
            yield


@pytest.fixture
def no_compiler() -> Iterator[None]:
    """As on a machine without one."""
    from torch._inductor import config

    compilation._failure_here.cache_clear()
    with config.patch({"cpp.cxx": (None, "/nonexistent/g++")}):
        yield
    compilation._failure_here.cache_clear()


def job(store: Path, **settings: Any) -> GenerationJob:
    recipe = {**RECIPES["wide-resnet"], "epochs": 2, "batch_size": 32, "augmentation": None}
    generation = Generation.model_validate(
        {
            "network": NETWORK,
            "loss": "labels",
            "recipe": recipe,
            "data": data_identity(DIGITS),
            "precision": "fp32",
            "seed": 1,
            "generation_index": 0,
            "teacher": None,
        }
    )
    return GenerationJob(generation=generation, label="one", data=DIGITS, store=str(store), **settings)


def begin(job: GenerationJob, *, compiled_epochs: int | None, epochs: int = 1) -> None:
    """Leave the progress of a generation of which so many epochs are said to be compiled."""
    run = prepare_run(job.model_copy(update={"compiled": False}), device=CPU, workers=ALONE).run
    for report in run.epochs():
        if report.epoch == epochs:
            break
    progress = Progress(epochs, run.snapshot(), tuple(run.history), compiled_epochs)
    Store(job.store).save_progress(job.generation.id, progress)


def trained(job: GenerationJob) -> tuple[GenerationRecord, Reports]:
    reports: Reports = []
    finished = train_and_publish(
        job,
        workers=ALONE,
        device=CPU,
        on_epoch=lambda _: None,
        on_uncompiled=lambda failure, epochs: reports.append((failure, epochs)),
    )
    assert finished
    record = Store(job.store).record(job.generation.id)
    assert record is not None
    return record, reports


def test_what_began_compiled_resumes_compiled_whatever_the_job_says_now(tmp_path: Path) -> None:
    one = job(tmp_path / "store", compiled=False)
    begin(one, compiled_epochs=1)
    record, reports = trained(one)
    assert record.compiled_epochs == 2
    assert reports == []


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize(
    ("before", "settings", "after"),
    [
        pytest.param(0, {"compiled": True}, 0, id="began uncompiled"),
        pytest.param(None, {"compiled": False}, None, id="began in a former version"),
    ],
)
def test_what_began_uncompiled_resumes_uncompiled_without_a_try(
    before: int | None, settings: dict[str, Any], after: int | None, tmp_path: Path
) -> None:
    one = job(tmp_path / "store", **settings)
    begin(one, compiled_epochs=before)
    record, reports = trained(one)
    assert record.compiled_epochs == after
    assert reports == []


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize("before", [0, 1])
def test_without_a_compiler_it_trains_uncompiled_and_says_so(before: int, tmp_path: Path) -> None:
    one = job(tmp_path / "store", compiled=True)
    if before:
        begin(one, compiled_epochs=before)
    record, [(failure, compiled_epochs)] = trained(one)
    assert failure is not None
    assert failure.cause == "no C++ compiler was found"
    assert not failure.of_network
    assert record.compiled_epochs == compiled_epochs == before


@pytest.mark.usefixtures("no_compiler")
def test_recomputing_activations_ends_compiling(tmp_path: Path) -> None:
    one = job(tmp_path / "store", recompute=True)
    begin(one, compiled_epochs=1)
    record, reports = trained(one)
    assert record.compiled_epochs == 1
    assert reports == [(None, 1)]


@pytest.mark.usefixtures("no_compiler")
def test_compile_false_ends_compiling(tmp_path: Path) -> None:
    """It is the remedy for a network that cannot be compiled any more."""
    one = job(tmp_path / "store", may_compile=False)
    begin(one, compiled_epochs=1)
    record, reports = trained(one)
    assert record.compiled_epochs == 1
    assert reports == [(None, 1)]


@pytest.mark.usefixtures("no_compiler")
def test_what_only_has_to_be_published_needs_no_compiler(tmp_path: Path) -> None:
    one = job(tmp_path / "store", compiled=True)
    begin(one, compiled_epochs=2, epochs=2)
    record, reports = trained(one)
    assert record.compiled_epochs == 2
    assert reports == []
