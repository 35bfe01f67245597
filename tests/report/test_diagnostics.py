"""What students recorded, as curves: means over seeds by hand, and what is not there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.report.diagnostics import DIAGNOSTICS, Curve, has_diagnostics, student_diagnostics
from bansweep.training.kd_gradient import Diagnostics
from bansweep.training.workers import ALONE


def history(*epochs: Mapping[str, float]) -> tuple[EpochReport, ...]:
    """A report for each epoch; what else an epoch records is there as well."""
    return tuple(
        EpochReport(epoch, len(epochs), 1.0, 0.0, {"train_loss": 1.0, **metrics})
        for epoch, metrics in enumerate(epochs, start=1)
    )


def test_names_are_those_that_training_records() -> None:
    diagnostics = Diagnostics(ALONE, torch.device("cpu"))
    diagnostics.observe(torch.eye(3), torch.eye(3).flip(0), torch.arange(3))
    # The agreement on the evaluation split is recorded under the split's name.
    assert {*diagnostics.take(), "validation_agreement", "test_agreement"} == set(DIAGNOSTICS)


def test_seeds_are_averaged_epoch_by_epoch(plan: Plan, memory: Any) -> None:
    histories = {
        memory.id_at("densenet-80-80", "ban", 3): history({"train_agreement": 60.0}, {"train_agreement": 80.0}),
        memory.id_at("densenet-80-80", "ban", 1): history({"train_agreement": 70.0}, {"train_agreement": math.nan}),
    }
    found = student_diagnostics(plan, histories)
    assert list(found) == ["densenet-80-80"]
    (ban,) = found["densenet-80-80"]
    assert (ban.column, ban.teacher, ban.recorded, ban.seeds) == ("ban", "teacher", 2, 3)
    assert ban.curves == {"train_agreement": Curve(epochs=(1, 2), values=(65.0, 80.0))}


def test_rows_and_columns_are_in_the_sweeps_order(plan: Plan, memory: Any) -> None:
    recorded = history({"teacher_confidence_p50": 0.9})
    places = [("densenet-80-120", "ban"), ("densenet-80-80", "ban-2"), ("densenet-80-80", "ban")]
    found = student_diagnostics(plan, {memory.id_at(*place, 2): recorded for place in places})
    assert {row: [(one.column, one.teacher) for one in students] for row, students in found.items()} == {
        "densenet-80-80": [("ban", "teacher"), ("ban-2", "ban")],
        "densenet-80-120": [("ban", "teacher")],
    }
    assert list(found) == ["densenet-80-80", "densenet-80-120"]


@pytest.mark.parametrize(("column", "metrics"), [("ban", {"test_error": 5.0}), ("teacher", {"train_agreement": 50.0})])
def test_nothing_recorded_or_nobody_who_teaches(
    plan: Plan, memory: Any, column: str, metrics: Mapping[str, float]
) -> None:
    assert student_diagnostics(plan, {memory.id_at("densenet-80-80", column, 3): history(metrics)}) == {}


def test_one_epoch_with_diagnostics_is_enough() -> None:
    assert has_diagnostics(history({}, {"kd_gradient_ground_truth": 0.0}))
    assert not has_diagnostics(history({}, {"test_loss": 1.0}))
    assert not has_diagnostics(())
