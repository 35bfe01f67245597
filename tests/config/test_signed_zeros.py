"""0.0 in place of -0.0, wherever a sweep file can have it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bansweep.config.base import without_negative_zeros
from bansweep.config.losses import LabelsLoss
from bansweep.config.reading import parse_sweep
from bansweep.config.sweep import SweepSpec

SWEEP = """\
name: zeros
data: {kind: digits, validation: 100}
recipe: {base: wide-resnet, weight_decay: ZERO, momentum: ZERO, nesterov: false}
networks:
  - {kind: wide-resnet, depth: 10, width: 1, dropout: ZERO, name: row, recipe: {base: wide-resnet, weight_decay: ZERO}}
search:
  parameters: {recipe.weight_decay: {uniform: [ZERO, 0.5]}, network.dropout: {choice: [ZERO, 0.1]}}
  candidates: 3
generations:
  teacher: {loss: {kind: labels, smoothing: ZERO}}
chain: {loss: {kind: kd+labels, mixing: ZERO}, length: 1, stop: {min_delta: ZERO}}
"""


def sweep_with(zero: str) -> SweepSpec:
    return parse_sweep(SWEEP.replace("ZERO", zero))


def test_every_field_of_a_sweep_is_normalised() -> None:
    sweep = sweep_with("-0.0")
    assert sweep.model_dump_json().count("-0.0") >= 8, "the file's own spelling is kept"
    normalised = without_negative_zeros(sweep)
    assert normalised.model_dump_json() == sweep_with("0.0").model_dump_json()
    assert type(normalised.networks) is tuple


def test_what_has_no_negative_zero_is_returned_as_it_is() -> None:
    for value in (sweep_with("0.0"), {"a": [1, 0.0, False, None, "-0.0"]}, LabelsLoss(), 0, False, math.nan):
        assert without_negative_zeros(value) is value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-0.0, "0.0"),
        ([-0.0, {"a": (-0.0, -1.0)}], "[0.0, {'a': (0.0, -1.0)}]"),
        ({"a": {"b": -0.0}, "c": True}, "{'a': {'b': 0.0}, 'c': True}"),
    ],
)
def test_plain_data(value: Any, expected: str) -> None:
    assert repr(without_negative_zeros(value)) == expected
