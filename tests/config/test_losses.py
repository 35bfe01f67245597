"""What a sweep file may say of a loss, and what it is told of the rest."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from bansweep.config.losses import (
    LOSSES,
    ActivationsLoss,
    CwtmLoss,
    DkppLoss,
    KdLabelsLoss,
    KdLoss,
    LabelsLoss,
    LossSpec,
    UserLoss,
)
from bansweep.config.reading import parse_sweep
from bansweep.errors import SweepFileError

BUILT_IN: list[LossSpec] = [LabelsLoss(), KdLoss(), KdLabelsLoss(), CwtmLoss(), DkppLoss(), ActivationsLoss()]
ADAPTER: TypeAdapter[LossSpec] = TypeAdapter(LossSpec)

SWEEP = """
name: losses
data: digits
recipe: wide-resnet
networks: [wrn-10-1]
generations:
  teacher: {{loss: labels}}
  student: {{loss: {loss}, teacher: teacher}}
"""


def problem_of(loss: str) -> tuple[str, str]:
    """The key and the message of the one problem that a sweep with this loss has."""
    with pytest.raises(SweepFileError) as caught:
        parse_sweep(SWEEP.format(loss=loss))
    (problem,) = caught.value.problems
    return problem.key, problem.message


def test_defaults_are_pinned() -> None:
    """Ids leave defaults out: a changed one would silently give old results for new settings."""
    assert [loss.model_dump() for loss in BUILT_IN] == [
        {"kind": "labels", "smoothing": 0.0},
        {"kind": "kd", "temperature": 1.0},
        {"kind": "kd+labels", "temperature": 1.0, "mixing": None},
        {"kind": "cwtm", "confidence": "max"},
        {"kind": "dkpp", "permutation": "fresh"},
        {"kind": "kd+activations", "weight": 1.0, "ramp": "constant"},
    ]


def test_defaults_that_are_written_out_leave_no_trace_in_what_ids_are_made_of() -> None:
    for loss in BUILT_IN:
        written = ADAPTER.validate_python(loss.model_dump())
        assert written.model_dump(mode="json", exclude_defaults=True) == {}
    assert ADAPTER.validate_python({"kind": "kd", "temperature": 1}).model_dump(exclude_defaults=True) == {}


def test_every_variant_has_its_kind_listed_and_says_what_it_asks_for() -> None:
    variants = get_args(get_args(LossSpec)[0])

    assert list(LOSSES.values()) == list(variants) == [*map(type, BUILT_IN), UserLoss]
    assert list(LOSSES) == [*(loss.kind for loss in BUILT_IN), "python"]
    for loss in LOSSES.values():
        assert loss.teacher in ("none", "optional", "required")
        assert {loss.labels, loss.stage_outputs} <= {True, False}


@pytest.mark.parametrize("declared", ["teacher", "labels", "stage_outputs", "permutation_keys", "words"])
def test_what_a_loss_declares_is_no_key_of_a_sweep_file(declared: str) -> None:
    for loss in LOSSES.values():
        assert declared not in loss.model_fields
        assert declared not in loss.model_json_schema()["properties"]
    assert problem_of(f"{{kind: kd, {declared}: required}}")[1].startswith(f"unknown key {declared!r}; known: kind")


@pytest.mark.parametrize("loss", BUILT_IN, ids=lambda loss: loss.kind)
def test_a_bare_name_is_the_loss_without_options(loss: LossSpec) -> None:
    assert ADAPTER.validate_python(loss.kind) == ADAPTER.validate_python({"kind": loss.kind}) == loss


def test_options_are_read_from_a_sweep_file() -> None:
    loss = "{kind: kd+labels, temperature: 4, mixing: 0.9}"

    assert parse_sweep(SWEEP.format(loss=loss)).generations["student"].loss == KdLabelsLoss(temperature=4.0, mixing=0.9)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "labels", "smoothing": 0},
        {"kind": "kd", "temperature": 1000},
        {"kind": "kd+labels", "mixing": 0},
        {"kind": "kd+labels", "mixing": 1},
        {"kind": "kd+labels", "mixing": None},
    ],
    ids=str,
)
def test_limits_are_allowed(options: dict[str, Any]) -> None:
    assert ADAPTER.validate_python(options).model_dump(include=set(options)) == options


@pytest.mark.parametrize(
    ("loss", "key", "message"),
    [
        ("{kind: kd, temperature: 0}", "temperature", "input should be greater than 0, not 0"),
        ("{kind: kd, temperature: 1001}", "temperature", "input should be less than or equal to 1000, not 1001"),
        ("{kind: kd, temperature: .nan}", "temperature", "input should be a finite number, not nan"),
        ("{kind: kd, temperature: hot}", "temperature", "expected a number, not 'hot'"),
        ("{kind: kd+labels, temperature: -1}", "temperature", "input should be greater than 0, not -1"),
        ("{kind: kd+labels, mixing: 1.5}", "mixing", "input should be less than or equal to 1, not 1.5"),
        ("{kind: kd+labels, mixing: -0.5}", "mixing", "input should be greater than or equal to 0, not -0.5"),
        ("{kind: cwtm, confidence: min}", "confidence", "input should be 'max' or 'label', not 'min'"),
        ("{kind: kd+activations, weight: 0}", "weight", "input should be greater than 0, not 0"),
        ("{kind: kd+activations, ramp: liner}", "ramp", "input should be 'constant' or 'linear', not 'liner'"),
        ("{kind: kd, temperatur: 2}", "temperatur", "unknown key 'temperatur'; did you mean 'temperature'?"),
        ("{kind: cwtm, mixing: 0.5}", "mixing", "unknown key 'mixing'; known: confidence, kind"),
    ],
)
def test_wrong_options_are_told_what_would_be_right(loss: str, key: str, message: str) -> None:
    assert problem_of(loss) == (f"generations.student.loss.{key}", message)


@pytest.mark.parametrize("smoothing", [1, -0.1])
def test_smoothing_that_leaves_nothing_to_the_label_is_refused(smoothing: float) -> None:
    with pytest.raises(SweepFileError, match=r"smoothing.* input should be "):
        parse_sweep(SWEEP.format(loss="kd").replace("loss: labels", f"loss: {{kind: labels, smoothing: {smoothing}}}"))


def test_a_misspelt_kind_is_pointed_to_the_nearest() -> None:
    assert problem_of("kd+activation")[1] == "unknown kind 'kd+activation'; did you mean 'kd+activations'?"


def test_a_missing_teacher_is_noticed_for_new_kinds_too() -> None:
    with pytest.raises(SweepFileError, match="'teacher' is missing"):
        parse_sweep(SWEEP.format(loss="kd+activations").replace(", teacher: teacher", ""))


def test_all_but_labels_need_a_teacher_and_activations_alone_compare_stages() -> None:
    assert [loss.teacher for loss in BUILT_IN] == ["none", *["required"] * 5]
    assert [loss.stage_outputs for loss in BUILT_IN] == [False, False, False, False, False, True]
    assert UserLoss.teacher == "optional"


def test_dkpp_alone_asks_for_random_keys() -> None:
    assert [loss.permutation_keys for loss in BUILT_IN] == [None, None, None, None, "fresh", None]
    assert DkppLoss(permutation="fixed").permutation_keys == "fixed"
