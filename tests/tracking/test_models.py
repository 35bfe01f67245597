"""Logged and registered models in a real SQLite database: complete, once each, and the alias where it belongs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from patience import PROCESS_S

from bansweep.tracking.client import open_client
from bansweep.tracking.mlflow_tracker import MlflowTracker

TIMEOUT_S = PROCESS_S


def track(uri: str, root: Path, sweep: Any, *, thorough: bool = False, live: bool = False) -> Any:
    tracker = MlflowTracker(uri, store_root=root, sweep=sweep.plan.sweep, thorough=thorough)
    tracker.start(sweep.plan, "name: x\n")
    for event in sweep.events if live else ():
        tracker.handle(event)
    return tracker.finish(lambda: sweep.finished, {}, "FINISHED", TIMEOUT_S)


def with_errors(sweep: Any, *errors: float) -> Any:
    """The sweep with other final errors, as if trained again."""
    finished = (
        replace(one, metrics={"test_error": error}, finished_at=one.finished_at + error)
        for one, error in zip(sweep.finished, errors, strict=True)
    )
    return replace(sweep, finished=tuple(finished))


def experiment_of(uri: str, sweep: Any) -> str:
    return str(open_client(uri).get_experiment_by_name(sweep.plan.sweep).experiment_id)


def logged(uri: str, sweep: Any) -> dict[str, Any]:
    """The logged models by generation ids; fails where one stands twice."""
    models = open_client(uri).search_logged_models([experiment_of(uri, sweep)])
    found = {model.tags["bansweep.generation"]: model for model in models}
    assert len(found) == len(models)
    return found


def name_of(sweep: Any) -> str:
    return f"{sweep.plan.sweep}.small.ban"


def versions(uri: str, sweep: Any) -> list[Any]:
    found = open_client(uri).search_model_versions(f"name = '{name_of(sweep)}'")
    return sorted(found, key=lambda one: int(one.version))


def best(uri: str, sweep: Any) -> Any:
    return open_client(uri).get_model_version_by_alias(name_of(sweep), "best")


def test_every_generation_is_a_model_and_the_best_is_registered(database: str, tmp_path: Path, sweep: Any) -> None:
    summary = track(database, tmp_path, sweep)

    assert (summary.error, summary.models_error) == ("", "")
    models = logged(database, sweep)
    assert models.keys() == {sweep.teacher_id, sweep.student_id}
    student = models[sweep.student_id]
    weights = (tmp_path / "generations" / sweep.student_id / "weights.safetensors").as_uri()
    assert (student.status.name, student.name) == ("READY", "small - ban, ban-1")
    assert student.tags["bansweep.weights"] == weights
    assert student.params["network.depth"] == "10"
    assert {(one.key, one.value, one.dataset_name) for one in student.metrics} == {
        ("final_test_error", 5.0, "digits"),
        ("final_test_loss", 1.0 / 3, "digits"),
    }
    [version] = versions(database, sweep)
    assert best(database, sweep).version == version.version
    assert version.run_id == student.source_run_id
    assert version.tags["bansweep.generation"] == sweep.student_id
    assert version.tags["bansweep.weights"] == weights
    assert version.tags["bansweep.value"] == "5.0"
    assert version.description == "test error 5.00 %"
    run = open_client(database).get_run(version.run_id)
    assert [one.model_id for one in run.outputs.model_outputs] == [student.model_id]


@pytest.mark.parametrize("live", [False, True])
def test_telling_again_adds_nothing(database: str, tmp_path: Path, sweep: Any, live: bool) -> None:
    track(database, tmp_path, sweep, live=live)
    before = {key: model.model_id for key, model in logged(database, sweep).items()}

    for root, thorough in ((tmp_path, True), (tmp_path, False), (tmp_path / "copy of the store", False)):
        summary = track(database, root, sweep, thorough=thorough, live=live)
        assert (summary.error, summary.models_error) == ("", "")

    assert {key: model.model_id for key, model in logged(database, sweep).items()} == before
    assert [one.version for one in versions(database, sweep)] == [best(database, sweep).version]
    client = open_client(database)
    for run in client.search_runs([experiment_of(database, sweep)], "tags.bansweep.level = 'generation'"):
        assert len(client.get_metric_history(run.info.run_id, "final_test_error")) == 1


def test_what_is_gone_is_told_again(database: str, tmp_path: Path, sweep: Any) -> None:
    track(database, tmp_path, sweep)
    client = open_client(database)
    client.delete_logged_model(logged(database, sweep)[sweep.student_id].model_id)
    client.delete_registered_model(name_of(sweep))

    track(database, tmp_path, sweep, thorough=True)

    assert logged(database, sweep).keys() == {sweep.teacher_id, sweep.student_id}
    assert best(database, sweep).tags["bansweep.generation"] == sweep.student_id


def test_the_alias_moves_to_a_better_one_and_back(database: str, tmp_path: Path, sweep: Any) -> None:
    holders = []
    for errors in ((4.0, 5.0), (4.0, 3.0), (4.0, 5.0)):
        track(database, tmp_path, with_errors(sweep, *errors), thorough=True)
        holders.append(best(database, sweep).tags["bansweep.generation"])

    assert holders == [sweep.teacher_id, sweep.student_id, sweep.teacher_id]
    assert len(versions(database, sweep)) == 2


def test_what_is_trained_anew_is_another_model(database: str, tmp_path: Path, sweep: Any) -> None:
    track(database, tmp_path, sweep)
    before = logged(database, sweep)

    track(database, tmp_path, with_errors(sweep, 6.0, 2.5), live=True)

    after = logged(database, sweep)
    assert after[sweep.student_id].model_id != before[sweep.student_id].model_id
    assert {one.value for one in after[sweep.student_id].metrics if one.key == "final_test_error"} == {2.5}
    assert (best(database, sweep).tags["bansweep.value"], len(versions(database, sweep))) == ("2.5", 2)


def test_a_part_of_a_sweep_does_not_take_the_alias_from_a_better_one(database: str, tmp_path: Path, sweep: Any) -> None:
    track(database, tmp_path, sweep)
    alone = replace(sweep, finished=sweep.finished[:1])

    summary = track(database, tmp_path / "elsewhere", alone)

    assert summary.models_error == ""
    assert best(database, sweep).tags["bansweep.generation"] == sweep.student_id


def test_what_stands_twice_is_merged(database: str, tmp_path: Path, sweep: Any) -> None:
    track(database, tmp_path, sweep)
    client = open_client(database)
    model = logged(database, sweep)[sweep.student_id]
    [version] = versions(database, sweep)
    # As where an answer is lost and the request sent again.
    client.create_logged_model(
        experiment_of(database, sweep), model.name, model.source_run_id, model.tags, model.params, model.model_type
    )
    client.create_model_version(version.name, version.source, version.run_id, version.tags)

    track(database, tmp_path, sweep, thorough=True)

    assert logged(database, sweep)[sweep.student_id].model_id == model.model_id
    assert [one.version for one in versions(database, sweep)] == [version.version]


def test_a_registry_that_refuses_costs_a_line(
    database: str, tmp_path: Path, sweep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise MlflowException("Permission denied", PERMISSION_DENIED)

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "create_registered_model", refused)
        summary = track(database, tmp_path, sweep)

    assert (summary.sent, summary.unsent, summary.error) == (2, (), "")
    assert summary.models_error.startswith(f"MLflow at {database}: no permission (403)")
    assert "\n" not in summary.models_error
    assert logged(database, sweep).keys() == {sweep.teacher_id, sweep.student_id}

    assert track(database, tmp_path, sweep, thorough=True).models_error == ""
    assert best(database, sweep).tags["bansweep.generation"] == sweep.student_id


def test_notes_link_to_the_runs_that_there_are(database: str, tmp_path: Path, sweep: Any) -> None:
    track(database, tmp_path, sweep)
    first = links(database, sweep)

    # The teacher alone is trained anew: its run is begun anew, and its student's note was complete.
    teacher = sweep.finished[0]
    later = tuple(replace(report, finished_at=report.finished_at + 900) for report in teacher.history)
    anew = replace(teacher, history=later, finished_at=teacher.finished_at + 900)
    track(database, tmp_path, replace(sweep, finished=(anew, sweep.finished[1])), thorough=True)

    second = links(database, sweep)
    assert first[0] == first[1]
    assert second[0] == second[1]
    assert first[0] != second[0]


def links(uri: str, sweep: Any) -> tuple[str, str]:
    """Where the teacher's run is, and where the student's note says that it is."""
    client, experiment_id = open_client(uri), experiment_of(uri, sweep)
    runs = client.search_runs([experiment_id], "tags.bansweep.level = 'generation'")
    by_id = {run.data.tags["bansweep.generation"]: run for run in runs}
    note = by_id[sweep.student_id].data.tags["mlflow.note.content"]
    return (
        f"#/experiments/{experiment_id}/runs/{by_id[sweep.teacher_id].info.run_id}",
        note.partition("](")[2].partition(" ")[0],
    )


def test_one_filter_finds_the_generations_of_a_network_and_loss(
    database: str, tmp_path: Path, searched_sweep: Any
) -> None:
    """The filters of docs/mlflow.md; candidates have the same network and loss."""
    track(database, tmp_path, searched_sweep)
    client, experiment_id = open_client(database), experiment_of(database, searched_sweep)
    chosen = "tags.bansweep.network = 'wrn-10-1' AND tags.bansweep.loss = 'kd'"

    def names(condition: str) -> set[str]:
        return {run.info.run_name for run in client.search_runs([experiment_id], condition)}

    assert names(f"{chosen} AND tags.bansweep.level = 'generation'") == {"small / ban"}
    assert len(names(chosen)) == 5
    assert names("tags.bansweep.level = 'sweep'") == {searched_sweep.plan.sweep}
