"""Differences name every key that differs, and no other."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bansweep.compare.differences import ABSENT, Difference, differences

LEAVES = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "b"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(st.sampled_from("pqr"), VALUES, max_size=3)


def patched(value: Any, found: list[Difference]) -> Any:
    """`value` with each difference's right side put in its place."""
    value = copy.deepcopy(value)
    for one in found:
        *above, last = one.path
        part = value
        for key in above:
            part = part[key]
        if one.right is ABSENT:
            del part[last]
        else:
            part[last] = one.right
    return value


@given(MAPPINGS, MAPPINGS)
def test_differences_lead_from_one_to_the_other(left: dict[str, Any], right: dict[str, Any]) -> None:
    found = list(differences(left, right))
    assert patched(left, found) == right
    assert bool(found) == (left != right) or any(isinstance(one.left, bool) for one in found)


@given(MAPPINGS, MAPPINGS)
def test_sides_may_be_exchanged(left: dict[str, Any], right: dict[str, Any]) -> None:
    there = {(one.path, repr(one.left), repr(one.right)) for one in differences(left, right)}
    back = {(one.path, repr(one.right), repr(one.left)) for one in differences(right, left)}
    assert there == back


@given(MAPPINGS)
def test_the_same_has_no_differences(value: dict[str, Any]) -> None:
    assert not list(differences(value, copy.deepcopy(value)))


def test_named_things_are_found_by_their_names() -> None:
    left: Any = {"networks": [{"name": "a", "depth": 1}, {"name": "b", "depth": 2}, {"name": "c", "depth": 3}]}
    right: Any = {"networks": [{"name": "b", "depth": 2}, {"name": "a", "depth": 9}]}
    assert list(differences(left, right)) == [
        Difference(("networks", "a", "depth"), 1, 9),
        Difference(("networks", "c"), {"depth": 3}, ABSENT),
    ]


def test_lists_of_values_are_values() -> None:
    assert list(differences({"seeds": [0, 1]}, {"seeds": [0, 2]})) == [Difference(("seeds",), [0, 1], [0, 2])]


def test_unnamed_things_are_compared_in_their_order() -> None:
    left: Any = [{"x": 1}, {"x": 2}]
    assert list(differences(left, [{"x": 1}, {"x": 3}])) == [Difference((1, "x"), 2, 3)]


@pytest.mark.parametrize(("left", "right"), [(0, False), (None, 0), ("1", 1), ({}, [])])
def test_values_of_two_kinds_differ(left: Any, right: Any) -> None:
    assert list(differences({"a": left}, {"a": right})) == [Difference(("a",), left, right)]
