"""What is said of a generation, without MLflow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bansweep.graph.candidates import candidate_of
from bansweep.graph.generation import Generation
from bansweep.graph.results import EpochReport
from bansweep.tracking import payload
from bansweep.tracking.protocol import Outcomes


def test_parameters_are_every_field_that_the_id_fixes(sweep: Any) -> None:
    assert payload.describe(sweep.plan, sweep.student_id).params == {
        "network.kind": "wide-resnet",
        "network.depth": "10",
        "network.width": "1",
        "network.dropout": "0.0",
        "loss.kind": "kd",
        "loss.temperature": "1.0",
        "shared_layers": "none",
        "recipe.epochs": "3",
        "recipe.batch_size": "128",
        "recipe.learning_rate": "0.1",
        "recipe.momentum": "0.9",
        "recipe.nesterov": "true",
        "recipe.weight_decay": "0.0005",
        "recipe.decay_at": "[0.3, 0.6, 0.8]",
        "recipe.decay_factor": "0.2",
        "recipe.augmentation.pad": "4",
        "recipe.augmentation.fill": "reflect",
        "recipe.augmentation.flip": "true",
        "data.kind": "digits",
        "data.fingerprint": "f" * 64,
        "data.validation": "0",
        "data.limit": "100",
        "precision": "fp32",
        "seed": "67890",
    }


def test_parameters_of_one_id_never_differ(sweep: Any) -> None:
    """MLflow refuses a parameter that changes; the generation's index can, where two sweeps share an id."""
    generation = sweep.plan.generations[sweep.student_id]
    later = Generation.model_validate({**generation.model_dump(), "generation_index": 7})
    assert later.id == generation.id
    other = replace(sweep.plan, generations={**sweep.plan.generations, later.id: later})

    before, after = payload.describe(sweep.plan, later.id), payload.describe(other, later.id)

    assert before.params == after.params
    assert after.tags["bansweep.generation_index"] == "7"
    assert before.digest != after.digest


def test_what_an_epoch_takes_is_a_system_metric_and_no_result() -> None:
    report = EpochReport(3, 9, 0.5, 10.0, {"train_loss": 2.5}, {"process_cpu_percentage": 99.5})
    assert {(point.key, point.value, point.step) for point in payload.epoch_points(report)} == {
        ("train_loss", 2.5, 3),
        ("system/process_cpu_percentage", 99.5, 3),
        ("epoch_seconds", 0.5, 3),
    }


def test_tags_of_a_student(sweep: Any) -> None:
    tags = dict(payload.describe(sweep.plan, sweep.student_id).tags)
    assert tags.pop("mlflow.note.content").startswith("**loss**: cross-entropy with the teacher's probabilities")
    assert tags == {
        "mlflow.runName": "small / ban, ban-1",
        "bansweep.level": "generation",
        "bansweep.chain": "ban",
        "bansweep.generation": sweep.student_id,
        "bansweep.network": "wrn-10-1",
        "bansweep.row": "small",
        "bansweep.column": "ban, ban-1",
        "bansweep.loss": "kd",
        "bansweep.generation_index": "1",
        "bansweep.seed": "0",
        "bansweep.teacher": sweep.teacher_id,
        "bansweep.lineage": f"{sweep.teacher_id} > {sweep.student_id}",
    }


def test_a_generation_that_only_teaches_has_a_name(sweep: Any) -> None:
    """With --only, a teacher may be in the plan and in no cell."""
    plan = replace(sweep.plan, cells=tuple(cell for cell in sweep.plan.cells if cell.column == "ban"))

    assert payload.name_of(plan, sweep.teacher_id) == f"wrn-10-1 / {sweep.teacher_id}"
    assert payload.describe(plan, sweep.teacher_id).tags["bansweep.column"] == ""


def test_long_reasons_are_cut_to_what_mlflow_takes(sweep: Any) -> None:
    outcomes = Outcomes(failed={sweep.teacher_id: "x" * 20_000})

    assert len(payload.failure_tags("x" * 20_000)["bansweep.reason"]) == 5000
    assert max(map(len, payload.sweep_tags(sweep.plan, frozenset(), outcomes).values())) == 5000


def test_what_a_search_decides_is_no_parameter_of_its_generation(searched_sweep: Any) -> None:
    params = payload.describe(searched_sweep.plan, searched_sweep.student_id).params

    assert not {"recipe.learning_rate", "loss.temperature"} & params.keys()
    assert params["recipe.momentum"] == "0.9"
    assert {key: value for key, value in params.items() if key.startswith(("search", "select"))} == {
        "search.parameters.recipe.learning_rate.kind": "loguniform",
        "search.parameters.recipe.learning_rate.low": "0.01",
        "search.parameters.recipe.learning_rate.high": "10.0",
        "search.parameters.loss.temperature.kind": "choice",
        "search.parameters.loss.temperature.values": "[1, 2, 4]",
        "search.candidates": "4",
        "search.parallel": "4",
        "search.pruner.kind": "asha",
        "search.pruner.grace": "1",
        "search.pruner.reduction": "3",
        "select.metric": "validation_error",
        "select.epoch": "best",
    }


def test_a_candidate_is_described_as_what_it_trains(searched_sweep: Any) -> None:
    candidate = searched_sweep.finished[1].candidates[1].candidate
    described = payload.describe_candidate(searched_sweep.plan, searched_sweep.student_id, candidate)
    above = payload.describe(searched_sweep.plan, searched_sweep.student_id)

    assert described.below == above
    assert described.params == {
        **{key: value for key, value in above.params.items() if not key.startswith("search.")},
        "recipe.learning_rate": "0.05",
        "loss.temperature": "2.0",
    }
    assert described.tags["mlflow.runName"] == "small / ban, candidate 2"
    assert described.tags["bansweep.candidate"] == f"{searched_sweep.student_id}/{candidate.id}"
    assert described.tags["bansweep.searched_generation"] == searched_sweep.student_id
    assert described.tags["bansweep.column"] == "ban"
    assert "bansweep.generation" not in described.tags, "whoever looks for the generation would find a candidate"
    assert described.tags["mlflow.note.content"].startswith(
        "candidate 2: recipe.learning_rate 0.05, loss.temperature 2\n\n"
        "**loss**: cross-entropy with the teacher's probabilities (Eqs. 2 and 3) at temperature 2\n\n"
    )


def test_a_searched_hyperparameter_that_is_not_set_is_said(searched_sweep: Any) -> None:
    candidate = replace(searched_sweep.finished[1].candidates[0].candidate, setting={"recipe.clip": None})

    assert payload.candidate_params(candidate)["recipe.clip"] == "null"


def test_one_candidate_of_two_searches_has_two_runs(searched_sweep: Any) -> None:
    """Such as searches of different numbers of candidates."""
    plan, candidate = searched_sweep.plan, searched_sweep.finished[1].candidates[0].candidate
    searched = plan.generations[searched_sweep.student_id]
    other = searched.model_copy(update={"search": searched.search.model_copy(update={"candidates": 9})})
    other = Generation.model_validate(other.model_dump())
    assert candidate_of(other, 5, candidate.setting).id == candidate.id
    both = replace(
        plan,
        generations={**plan.generations, other.id: other},
        cells=(*plan.cells, replace(plan.cells[1], column="ban-9", generation_id=other.id)),
    )

    one, two = (payload.describe_candidate(both, item, candidate) for item in (searched.id, other.id))

    assert one.identity != two.identity


def test_long_lists_of_values_are_cut_to_what_mlflow_takes(searched_sweep: Any) -> None:
    plan = searched_sweep.plan
    searched = plan.generations[searched_sweep.student_id].model_dump()
    searched["search"]["parameters"]["loss.temperature"]["values"] = [1 + one / 7 for one in range(1000)]
    generation = Generation.model_validate(searched)
    cells = (plan.cells[0], replace(plan.cells[1], generation_id=generation.id))

    params = payload.describe(
        replace(plan, generations={generation.id: generation}, cells=cells[1:]), generation.id
    ).params

    assert len(params["search.parameters.loss.temperature.values"]) == 6000
