"""A sweep of two generations, its history, and a reader of what MLflow holds that shares no code with the tracker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bansweep.plan.events import EpochFinished, EpochReport, GenerationFinished, GenerationStarted, SweepEvent
from bansweep.plan.generation import DataIdentity, Generation
from bansweep.plan.plan import Cell, Plan
from bansweep.spec.losses import KdLoss, LabelsLoss
from bansweep.spec.networks import WideResNet
from bansweep.spec.recipes import WIDE_RESNET, Recipe
from bansweep.tracking.client import open_client
from bansweep.tracking.memory import TrackedRun
from bansweep.tracking.payload import Point
from bansweep.tracking.protocol import FinishedGeneration

BEGUN_AT = 1_700_000_000.0


def make_plan(sweep: str) -> Plan:
    """wrn-10-1 learns from labels and teaches wrn-10-1, which two columns show."""
    teacher = Generation(
        network=WideResNet(depth=10, width=1),
        loss=LabelsLoss(),
        recipe=Recipe.model_validate({**WIDE_RESNET, "epochs": 3}),
        data=DataIdentity(kind="digits", fingerprint="f" * 64, limit=100),
        precision="fp32",
        seed=12345,
        generation_index=0,
    )
    student = teacher.model_copy(update={"loss": KdLoss(), "seed": 67890, "generation_index": 1, "teacher": teacher.id})
    student = Generation.model_validate(student.model_dump())
    return Plan(
        sweep=sweep,
        rows=("small",),
        columns=("teacher", "ban", "ban-1"),
        generations={teacher.id: teacher, student.id: student},
        cells=(
            Cell("small", "teacher", 0, teacher.id),
            Cell("small", "ban", 0, student.id),
            Cell("small", "ban-1", 0, student.id),
        ),
        ensembles=(),
    )


def make_finished(plan: Plan, generation_id: str) -> FinishedGeneration:
    index = plan.generations[generation_id].generation_index
    begun = BEGUN_AT + 100 * index
    history = tuple(
        EpochReport(
            epoch=epoch,
            epochs=3,
            seconds=1.5,
            finished_at=begun + 2 * epoch + 0.123,
            metrics={
                "train_loss": 2.0 / epoch,
                "learning_rate": 0.1,
                "test_loss": 1.0 / epoch,
                "test_error": 9.0 - epoch,
            },
        )
        for epoch in (1, 2, 3)
    )
    return FinishedGeneration(
        generation_id=generation_id,
        generation=plan.generations[generation_id],
        parameters=77_000,
        metrics={"test_error": 6.0 - index, "test_loss": 1.0 / 3},
        history=history,
        started_at=begun,
        finished_at=begun + 7.5,
        training_seconds=4.5,
    )


def live_events(finished: FinishedGeneration) -> list[SweepEvent]:
    generation_id = finished.generation_id
    epochs = [EpochFinished(generation_id, report) for report in finished.history]
    return [GenerationStarted(generation_id), *epochs, GenerationFinished(generation_id)]


@dataclass(frozen=True)
class Sweep:
    """A plan, what was trained of it, and the events that said so."""

    plan: Plan
    finished: tuple[FinishedGeneration, ...]
    events: tuple[SweepEvent, ...]

    @property
    def teacher_id(self) -> str:
        return self.finished[0].generation_id

    @property
    def student_id(self) -> str:
        return self.finished[1].generation_id


@pytest.fixture
def sweep(request: pytest.FixtureRequest) -> Sweep:
    """Named after the test, so that tests can share a database."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    plan = make_plan(name[:80])
    finished = tuple(make_finished(plan, generation_id) for generation_id in plan.generations)
    return Sweep(plan, finished, tuple(event for item in finished for event in live_events(item)))


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of a SQLite database that is initialised once, which takes seconds."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('tracking')}/mlflow.db"
    open_client(uri).search_experiments()
    return uri


@dataclass(frozen=True)
class Held:
    """What a tracker holds of a sweep."""

    runs: dict[str, TrackedRun]
    parent: TrackedRun
    documents: dict[str, str]


OURS = ("bansweep.", "mlflow.note.content", "mlflow.runName")


def read_mlflow(uri: str, sweep: str) -> Held:
    """Fails where a run stands twice or a run is not below its parent."""
    client = open_client(uri)
    experiment = client.get_experiment_by_name(sweep)
    assert experiment is not None
    runs: dict[str, TrackedRun] = {}
    parents: dict[str, Any] = {}
    found = client.search_runs([experiment.experiment_id])
    for run in found:
        if "bansweep.sweep" in run.data.tags:
            parents[run.info.run_id] = run
            continue
        generation_id = run.data.tags["bansweep.generation"]
        assert generation_id not in runs
        points = [point for key in run.data.metrics for point in client.get_metric_history(run.info.run_id, key)]
        assert len(points) == len({(point.key, point.step) for point in points})
        runs[generation_id] = TrackedRun(
            run.info.status,
            run.data.params,
            {key: value for key, value in run.data.tags.items() if key.startswith(OURS)},
            {Point(point.key, point.value, point.timestamp, point.step) for point in points},
        )
    assert len(parents) == 1
    [(parent_id, parent)] = parents.items()
    nested = [run for run in found if run.info.run_id != parent_id]
    assert all(run.data.tags["mlflow.parentRunId"] == parent_id for run in nested)
    folder = Path(client.download_artifacts(parent_id, ""))
    documents = {file.name: file.read_text() for file in folder.iterdir()}
    tags = {key: value for key, value in parent.data.tags.items() if key.startswith(OURS)}
    tags.pop("mlflow.runName")
    return Held(runs, TrackedRun(parent.info.status, tags=tags), documents)


@pytest.fixture
def mlflow_holds(sweep: Sweep) -> Callable[[str], Held]:
    return lambda uri: read_mlflow(uri, sweep.plan.sweep)
