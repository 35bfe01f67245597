"""How often a training that is lost begins again: as long as it gets on, and no longer. Ray is not started."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import ray.exceptions
import ray.train

from bansweep.cluster import trial, worker_group
from bansweep.cluster.allocation import Allocation
from bansweep.cluster.job import GenerationJob
from bansweep.config.data import Digits
from bansweep.config.recipes import RECIPES
from bansweep.data.fingerprint import data_identity
from bansweep.errors import BansweepError, ClusterError, TrainingError
from bansweep.graph.generation import Generation
from bansweep.store.progress import Progress
from bansweep.store.store import Store

GROUP = Allocation(workers=2, cpus=1, gpus=0.0, compiled=False)
Ending = Exception | None
Fit = Callable[[GenerationJob, Allocation], None]


@pytest.fixture
def job(tmp_path: Path) -> GenerationJob:
    data = Digits(limit=96, test_limit=20)
    generation = Generation.model_validate(
        {
            "network": "wrn-10-1",
            "loss": "labels",
            "recipe": RECIPES["wide-resnet"],
            "data": data_identity(data),
            "precision": "fp32",
            "seed": 1,
            "generation_index": 0,
            "teacher": None,
        }
    )
    return GenerationJob(generation=generation, label="one", data=data, store=str(tmp_path / "store"))


def fits(*endings: tuple[int, Ending]) -> Fit:
    """Ray Train runs that each save so many epochs, and end so; another one would be one too many."""
    runs, epochs = iter(endings), [0]

    def fit(job: GenerationJob, _: Allocation) -> None:
        saved, error = next(runs)
        epochs[0] += saved
        if saved:
            Store(job.store).save_progress(job.generation.id, Progress(epochs[0], b"", ()))
        if error is not None:
            raise error

    return fit


def starts(job: GenerationJob, fit: Fit, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often a group was started until one came through."""
    started: list[None] = []
    monkeypatch.setattr(worker_group, "_fit", fit)
    worker_group.train_in_worker_group(job, GROUP, on_start=lambda: started.append(None))
    return len(started)


def lost_worker() -> Exception:
    return ray.train.WorkerGroupError("lost", {0: RuntimeError("the node is gone")})


def lost_controller() -> Exception:
    return ray.exceptions.ActorDiedError()


def test_groups_follow_each_other_as_long_as_each_one_saves_an_epoch(
    job: GenerationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    endings: list[tuple[int, Ending]] = [(1, lost_worker()) for _ in range(5)]
    assert starts(job, fits(*endings, (1, None)), monkeypatch) == 6


def test_a_group_that_is_lost_without_an_epoch_is_the_last(job: GenerationJob, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrainingError, match="RuntimeError: the node is gone"):
        starts(job, fits((1, lost_worker()), (0, lost_worker())), monkeypatch)


def test_what_a_worker_says_itself_is_told_at_once(job: GenerationJob, monkeypatch: pytest.MonkeyPatch) -> None:
    said = ClusterError("no such data", remedy="none")
    error = ray.train.WorkerGroupError("failed", {1: said})
    with pytest.raises(BansweepError) as raised:
        starts(job, fits((1, error)), monkeypatch)
    assert raised.value is said


def test_a_lost_controller_is_replaced_once_and_again_after_each_epoch(
    job: GenerationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    endings: list[tuple[int, Ending]] = [
        (0, lost_controller()),
        (1, lost_controller()),
        (0, lost_controller()),
        (0, None),
    ]
    assert starts(job, fits(*endings), monkeypatch) == 4
    with pytest.raises(ClusterError, match="Ray Train gave up"):
        starts(job, fits((0, lost_controller()), (0, lost_controller())), monkeypatch)


class Tune:
    """The part of ray.tune that a trial talks to."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []

    def report(self, message: dict[str, Any]) -> None:
        self.reports.append(message)

    def get_context(self) -> Tune:
        return self

    def get_trial_id(self) -> str:
        return "trial"


def reports(job: GenerationJob, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    tune = Tune()
    monkeypatch.setattr(trial, "tune", tune)
    allocation = Allocation(workers=0, cpus=1, gpus=0.0, compiled=False)
    trial.generation_trial({"job": job.model_dump_json(), "allocation": dataclasses.asdict(allocation)})
    return tune.reports


def test_a_process_whose_gpu_fails_reports_its_training_and_ends_before_the_next(
    job: GenerationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def end(status: int) -> None:
        raise Killed(status)

    monkeypatch.setattr(trial, "_cuda_failed", Event())
    monkeypatch.setattr(trial, "_train_here", lambda *_: None)
    monkeypatch.setattr(trial, "_leave_room", fail)
    assert "outcome" in reports(job, monkeypatch)[-1]
    monkeypatch.setattr(os, "_exit", end)
    with pytest.raises(Killed):
        reports(job, monkeypatch)


class Killed(BaseException):
    """What ends a process, as far as the process itself can tell."""


def test_a_trial_that_dies_in_one_epoch_again_and_again_gives_up(
    job: GenerationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(trial, "_train_here", die)
    for _ in range(3):
        with pytest.raises(Killed):
            reports(job, monkeypatch)
    (failed,) = reports(job, monkeypatch)
    assert failed["outcome"] == "failed"
    assert "its process died again and again" in failed["reason"]
    Store(job.store).save_progress(job.generation.id, Progress(1, b"", ()))
    with pytest.raises(Killed):
        reports(job, monkeypatch)  # it has got on


def test_a_trial_whose_generation_another_process_has_waits_a_while_and_says_so(
    job: GenerationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "_PATIENCE_S", 0.2)
    with Store(job.store).claim(job.generation.id) as claim:
        assert claim.acquire()
        assert reports(job, monkeypatch) == [{"outcome": "claimed"}]
