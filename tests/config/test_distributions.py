"""Distributions draw what they say, and refuse what they cannot draw."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bansweep.config.hyperparameters import (
    AnyDistribution,
    Choice,
    Distribution,
    Grid,
    Int,
    LogUniform,
    Uniform,
    drawn,
    plain_text,
    typical_values,
)
from bansweep.config.search import Search

READER: TypeAdapter[AnyDistribution] = TypeAdapter(Distribution)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ([1, 2], Choice(values=(1, 2))),
        ({"choice": [None, {"pad": 4}]}, Choice(values=(None, {"pad": 4}))),
        ({"grid": ["a"]}, Grid(values=("a",))),
        ({"uniform": [0, 1]}, Uniform(low=0, high=1)),
        ({"loguniform": [1e-3, 1]}, LogUniform(low=1e-3, high=1)),
        ({"int": [1.0, 3]}, Int(low=1, high=3)),
        ({"kind": "int", "low": 1, "high": 3}, Int(low=1, high=3)),
    ],
)
def test_shorthands(written: Any, meant: AnyDistribution) -> None:
    assert READER.validate_python(written) == meant
    assert READER.validate_json(meant.model_dump_json()) == meant


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (3, "expected a list of values, such as [1, 2, 4], or one distribution"),
        ({}, "or one distribution"),
        ({"uniform": [0, 1], "int": [1, 2]}, "or one distribution"),
        ([], "needs at least one entry"),
        ({"grid": []}, "needs at least one entry"),
        ({"logunifrom": [1, 2]}, "unknown distribution 'logunifrom'; did you mean 'loguniform'?"),
        ({"uniform": 3}, "uniform takes a list, such as {uniform: [1, 2]}, not 3"),
        ({"choice": None}, "choice takes a list, such as {choice: [1, 2]}, not null"),
        ({"uniform": [1, 2, 3]}, "two numbers, the lowest and the highest, not [1, 2, 3]"),
        ({"uniform": [1, "x"]}, "expected a number, not 'x'"),
        ({"uniform": [1, None]}, "is empty"),
        ({"uniform": [float("nan"), 1]}, "input should be a finite number, not nan"),
        ({"uniform": [-1e308, 1e308]}, "too far apart"),
        ({"uniform": [2, 1]}, "the first number must be below the second, not 2 and 1"),
        ({"int": [3, 3]}, "the first number must be below the second, not 3 and 3"),
        ({"int": [1.5, 3]}, "expected a whole number, not 1.5"),
        ({"int": [1, 10**30]}, "input should be less than or equal to 9007199254740992"),
        ({"loguniform": [0, 1]}, "input should be greater than 0, not 0"),
        ({"kind": "uniform", "low": 1, "high": 2, "step": 1}, "unknown key 'step'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(written: Any, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(dict[str, Distribution]).validate_python({"key": written})
    (line,) = caught.value.errors()
    assert message in line["msg"]


def test_an_unknown_kind_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValidationError) as caught:
        Search.model_validate({"parameters": {"recipe.epochs": {"kind": "normal"}}, "candidates": 1})
    assert "unknown kind 'normal'; known: choice, grid, int, loguniform, uniform" in str(caught.value)


NUMBERS = st.floats(min_value=1e-6, max_value=1e6)


@given(NUMBERS, NUMBERS, st.integers())
def test_drawn_numbers_lie_within_the_range(one: float, other: float, seed: int) -> None:
    assume(one != other)
    low, high = sorted((one, other))
    for distribution in (Uniform(low=low, high=high), LogUniform(low=low, high=high)):
        value = drawn(distribution, random.Random(seed))
        assert isinstance(value, float)
        assert low <= value <= high
        assert all(
            isinstance(typical, float) and low <= typical <= high * (1 + 1e-9)
            for typical in typical_values(distribution)
        )


def test_half_of_a_loguniform_is_below_its_geometric_mean() -> None:
    chance = random.Random(0)
    values = [drawn(LogUniform(low=1e-4, high=1), chance) for _ in range(4000)]
    below = sum(isinstance(value, float) and value < 1e-2 for value in values)
    assert abs(below - 2000) < 4 * 31.6, "four standard deviations of a binomial"


def test_whole_numbers_include_both_ends_and_lists_are_drawn_from_evenly() -> None:
    chance = random.Random(0)
    assert {drawn(Int(low=2, high=4), chance) for _ in range(100)} == {2, 3, 4}
    draws = [drawn(Choice(values=("a", "b", "c")), chance) for _ in range(3000)]
    assert all(abs(draws.count(one) - 1000) < 4 * 25.8 for one in "abc")


def test_typical_values_are_all_of_a_list_and_tell_whole_numbers_from_others() -> None:
    assert typical_values(Choice(values=(3, 1))) == (3, 1)
    assert typical_values(Int(low=10, high=13)) == (10, 13, 11, 12)
    assert len(typical_values(Int(low=0, high=10**6))) < 100
    assert any(value != int(value) for value in typical_values(Uniform(low=8, high=64)) if isinstance(value, float))
    assert any(value != int(value) for value in typical_values(LogUniform(low=8, high=64)) if isinstance(value, float))


def test_values_are_shown_as_a_sweep_file_has_them() -> None:
    assert [plain_text(value) for value in (None, True, (0.3, 0.6), "x")] == ["null", "true", "[0.3, 0.6]", '"x"']
    assert len(plain_text(list(range(1000)))) == 80
