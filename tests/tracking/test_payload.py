"""What is said of a generation, without MLflow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bansweep.plan.generation import Generation
from bansweep.tracking import payload
from bansweep.tracking.outcomes import Outcomes


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


def test_tags_of_a_student(sweep: Any) -> None:
    assert payload.describe(sweep.plan, sweep.student_id).tags == {
        "mlflow.runName": "small / ban, ban-1",
        "mlflow.note.content": "loss kd; lineage: small / teacher > small / ban, ban-1",
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


def test_lineage_ends_at_a_teacher_outside_the_plan(sweep: Any) -> None:
    student = sweep.plan.generations[sweep.student_id]
    plan = replace(sweep.plan, generations={sweep.student_id: student}, cells=sweep.plan.cells[1:])

    assert payload.lineage(plan, sweep.student_id) == (sweep.teacher_id, sweep.student_id)


@pytest.mark.parametrize(
    ("metrics", "verdict"),
    [
        ({"test_loss": 0.25, "test_error": 5.3125, "validation_error": 4.0}, "**test error 5.312 %**"),
        ({"validation_loss": 0.5, "validation_error": 4.0}, "**validation error 4 %**"),
        (
            {"validation_perplexity": 83.0, "test_loss": 4.4, "test_perplexity": 81.5},
            "**test perplexity 81.50**",
        ),
        ({"train_loss": 9.0, "validation_perplexity": 10012.25}, "**validation perplexity 10012.25**"),
        ({"train_loss": 0.25}, "**train loss 0.25**"),
    ],
)
def test_the_note_begins_with_the_verdict(sweep: Any, metrics: dict[str, float], verdict: str) -> None:
    note = payload.finished_note(sweep.plan, replace(sweep.finished[1], metrics=metrics))

    assert note.splitlines()[0] == verdict
    assert note.endswith("loss kd; lineage: small / teacher > small / ban, ban-1")


def test_a_generation_without_history_has_its_final_figures(sweep: Any) -> None:
    points = payload.all_points(replace(sweep.finished[0], history=(), metrics={"test_error": 6.0}))

    at = 1_700_000_007_500
    assert set(points) == {
        ("final_test_error", 6.0, at, 0),
        ("parameters", 77000.0, at, 0),
        ("training_seconds", 4.5, at, 0),
    }


def test_long_reasons_are_cut_to_what_mlflow_takes(sweep: Any) -> None:
    outcomes = Outcomes(failed={sweep.teacher_id: "x" * 20_000})

    assert len(payload.failure_tags("x" * 20_000)["bansweep.reason"]) == 5000
    assert max(map(len, payload.sweep_tags(sweep.plan, frozenset(), outcomes).values())) == 5000
