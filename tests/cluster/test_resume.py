"""What a trial's process does once its GPU has failed. Ray is not started."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from bansweep.cluster import trial
from bansweep.cluster.allocation import Allocation
from bansweep.cluster.job import GenerationJob
from bansweep.config.data import Digits
from bansweep.config.recipes import RECIPES
from bansweep.data.fingerprint import data_identity
from bansweep.graph.generation import Generation
from bansweep.scheduling.messages import Ended, Message, Outcome, Placed, Started, messages_in


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


class Tune:
    """The part of ray.tune that a trial talks to."""

    def __init__(self) -> None:
        self.reports: list[Message] = []

    def report(self, result: dict[str, Any]) -> None:
        self.reports += messages_in(result)

    def get_context(self) -> Tune:
        return self

    def get_trial_id(self) -> str:
        return "trial"


def reports(job: GenerationJob, monkeypatch: pytest.MonkeyPatch) -> list[Message]:
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
    monkeypatch.setattr(trial, "_free_memory", fail)
    assert reports(job, monkeypatch) == [Started(0), Placed(""), Ended(Outcome.STOPPED)]
    monkeypatch.setattr(os, "_exit", end)
    with pytest.raises(Killed):
        reports(job, monkeypatch)


class Killed(BaseException):
    """What ends a process, as far as the process itself can tell."""
