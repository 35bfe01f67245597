"""Sweeps of two generations (in one of them the student is searched), their histories, the trackers, and a reader of
what MLflow holds that shares no code with the tracker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tracking.in_memory_tracker import InMemoryTracker, TrackedRun

from bansweep.config.losses import KdLoss, LabelsLoss
from bansweep.config.networks import WideResNet
from bansweep.config.recipes import WIDE_RESNET, Recipe
from bansweep.graph.candidates import Candidate, candidate_of
from bansweep.graph.events import (
    CandidateEnded,
    CandidateEpochFinished,
    CandidateStarted,
    EpochFinished,
    GenerationFinished,
    GenerationStarted,
    SweepEvent,
)
from bansweep.graph.generation import DataIdentity, Generation
from bansweep.graph.plan import Cell, Plan
from bansweep.graph.results import CandidateResult, EpochReport
from bansweep.tracking.client import open_client
from bansweep.tracking.mlflow_tracker import MlflowTracker
from bansweep.tracking.payload import Point
from bansweep.tracking.protocol import FinishedGeneration, Tracker

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


SETTINGS: tuple[dict[str, Any], ...] = tuple(
    {"recipe.learning_rate": rate, "loss.temperature": temperature}
    for rate, temperature in [(0.2, 1), (0.05, 2), (3.0, 1), (9.0, 4)]
)


def make_searched_plan(sweep: str) -> Plan:
    """As above, but the student's learning rate and temperature are searched."""
    plan = make_plan(sweep)
    teacher, student = plan.generations.values()
    searched = Generation.model_validate(
        {
            **student.model_dump(),
            "search": {
                "parameters": {"recipe.learning_rate": {"loguniform": [0.01, 10]}, "loss.temperature": [1, 2, 4]},
                "candidates": len(SETTINGS),
                "pruner": "asha",
            },
            "select": {"metric": "validation_error", "epoch": "best"},
        }
    )
    cells = (plan.cells[0], Cell("small", "ban", 0, searched.id))
    return Plan(sweep, ("small",), ("teacher", "ban"), {teacher.id: teacher, searched.id: searched}, cells, ())


def make_candidate(candidate: Candidate) -> CandidateResult:
    """The first one is finished, the second wins, the third is given up after an epoch, the fourth fails before one."""
    errors = [(30.0, 20.0, 25.0), (28.0, 10.0, 12.0), (80.0,), ()][candidate.number]
    begun = BEGUN_AT + 50 + 20 * candidate.number
    history = tuple(
        EpochReport(epoch, 3, 1.5, begun + 2 * epoch, {"train_loss": 2.0 / epoch, "validation_error": error})
        for epoch, error in enumerate(errors, start=1)
    )
    value = min(errors, default=None)
    return CandidateResult(
        candidate=candidate,
        outcome="failed" if not errors else "finished" if len(errors) == 3 else "pruned",
        history=history,
        epoch=None if value is None else errors.index(value) + 1,
        value=value,
        reason="" if errors else "the loss became nan",
    )


def make_searched(plan: Plan, generation_id: str) -> FinishedGeneration:
    generation = plan.generations[generation_id]
    candidates = tuple(
        make_candidate(candidate_of(generation, number, setting)) for number, setting in enumerate(SETTINGS)
    )
    return FinishedGeneration(
        generation_id=generation_id,
        generation=generation,
        parameters=77_000,
        metrics={"validation_error": 10.0, "test_error": 11.0},
        history=candidates[1].history,
        started_at=BEGUN_AT + 70,
        finished_at=BEGUN_AT + 77.5,
        training_seconds=4.5,
        selected_epoch=2,
        candidates=candidates,
        winner=1,
    )


def search_events(finished: FinishedGeneration) -> list[SweepEvent]:
    """All candidates side by side, epoch by epoch. The third trains an epoch more before it hears that it may stop."""
    generation_id = finished.generation_id
    events: list[SweepEvent] = [GenerationStarted(generation_id)]
    events += [CandidateStarted(generation_id, one.candidate) for one in finished.candidates]
    for place in range(3):
        for one in finished.candidates:
            events += [
                CandidateEpochFinished(generation_id, one.candidate, report)
                for report in one.history[place : place + 1]
            ]
    pruned = finished.candidates[2]
    late = replace(pruned.history[0], epoch=2, finished_at=pruned.history[0].finished_at + 2)
    events.append(CandidateEpochFinished(generation_id, pruned.candidate, late))
    events += [CandidateEnded(generation_id, one.candidate, one.outcome, one.reason) for one in finished.candidates]
    return [*events, GenerationFinished(generation_id)]


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


def name_after(request: pytest.FixtureRequest) -> str:
    """Named after the test, so that tests can share a database."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:80]


def make_sweep(name: str) -> Sweep:
    plan = make_plan(name)
    finished = tuple(make_finished(plan, generation_id) for generation_id in plan.generations)
    return Sweep(plan, finished, tuple(event for item in finished for event in live_events(item)))


@pytest.fixture
def sweep(request: pytest.FixtureRequest) -> Sweep:
    return make_sweep(name_after(request))


@pytest.fixture
def sweep_named() -> Callable[[str], Sweep]:
    """For tests of several."""
    return make_sweep


@pytest.fixture
def searched_sweep(request: pytest.FixtureRequest) -> Sweep:
    """The student is searched."""
    plan = make_searched_plan(f"searched-{name_after(request)}")
    teacher_id, student_id = plan.generations
    finished = (make_finished(plan, teacher_id), make_searched(plan, student_id))
    return Sweep(plan, finished, (*live_events(finished[0]), *search_events(finished[1])))


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
    candidate_runs: dict[str, TrackedRun]
    ensemble_runs: dict[str, TrackedRun]
    parent: TrackedRun
    documents: dict[str, str]


OURS = ("bansweep.", "mlflow.note.content", "mlflow.runName")


def read_mlflow(uri: str, sweep: str) -> Held:
    """Fails where a run stands twice or a run is not below the one it belongs to."""
    client = open_client(uri)
    experiment = client.get_experiment_by_name(sweep)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    [parent] = [run for run in found if "bansweep.sweep" in run.data.tags]
    runs: dict[str, TrackedRun] = {}
    run_ids: dict[str, str] = {}
    candidate_runs: dict[str, TrackedRun] = {}
    for run in found:
        if "bansweep.generation" in run.data.tags:
            generation_id = run.data.tags["bansweep.generation"]
            assert generation_id not in runs
            assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
            runs[generation_id] = tracked(client, run)
            run_ids[generation_id] = run.info.run_id
    for run in found:
        if "bansweep.candidate" in run.data.tags:
            candidate_id = run.data.tags["bansweep.candidate"]
            assert candidate_id not in candidate_runs
            assert run.data.tags["mlflow.parentRunId"] == run_ids[candidate_id.partition("/")[0]]
            candidate_runs[candidate_id] = tracked(client, run)
    ensemble_runs: dict[str, TrackedRun] = {}
    for run in found:
        if "bansweep.ensemble" in run.data.tags:
            key = run.data.tags["bansweep.ensemble"]
            assert key not in ensemble_runs
            assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
            ensemble_runs[key] = tracked(client, run)
    assert len(found) == 1 + len(runs) + len(candidate_runs) + len(ensemble_runs)
    folder = Path(client.download_artifacts(parent.info.run_id, ""))
    documents = {file.name: file.read_text() for file in folder.iterdir()}
    tags = {key: value for key, value in parent.data.tags.items() if key.startswith(OURS)}
    tags.pop("mlflow.runName")
    return Held(runs, candidate_runs, ensemble_runs, TrackedRun(parent.info.status, tags=tags), documents)


def tracked(client: Any, run: Any) -> TrackedRun:
    points = [point for key in run.data.metrics for point in client.get_metric_history(run.info.run_id, key)]
    assert len(points) == len({(point.key, point.step) for point in points})
    return TrackedRun(
        run.info.status,
        run.data.params,
        {key: value for key, value in run.data.tags.items() if key.startswith(OURS)},
        {Point(point.key, point.value, point.timestamp, point.step) for point in points},
    )


@pytest.fixture
def mlflow_holds(sweep: Sweep) -> Callable[[str], Held]:
    return lambda uri: read_mlflow(uri, sweep.plan.sweep)


@pytest.fixture
def mlflow_holds_of() -> Callable[[str, str], Held]:
    """The same of any sweep, by its name."""
    return read_mlflow


@dataclass(frozen=True)
class Subject:
    """A tracker, and what it holds."""

    tracker: Tracker
    held: Callable[[], Any]


def make_subject(request: pytest.FixtureRequest, root: Path, name: str) -> Subject:
    if request.param == "memory":
        memory = InMemoryTracker()
        return Subject(memory, lambda: memory)
    database = request.getfixturevalue("database")
    return Subject(MlflowTracker(database, store_root=root, sweep=name), lambda: read_mlflow(database, name))


@pytest.fixture(params=["memory", "mlflow"])
def subject(request: pytest.FixtureRequest, tmp_path: Path, sweep: Sweep) -> Subject:
    return make_subject(request, tmp_path, sweep.plan.sweep)


@pytest.fixture(params=["memory", "mlflow"])
def search_subject(request: pytest.FixtureRequest, tmp_path: Path, searched_sweep: Sweep) -> Subject:
    """The same for the sweep whose student is searched."""
    return make_subject(request, tmp_path, searched_sweep.plan.sweep)
