"""What differs between two nested values, key by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import JsonValue

from bansweep.errors import KeyPath

_Parts = Mapping[Any, JsonValue]


class Absent(Enum):
    """The value of a key that one side does not have."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True)
class Difference:
    """`left` and `right` are plain values; where only one side has a key, its full value, and ABSENT on the other."""

    path: KeyPath
    left: JsonValue | Absent
    right: JsonValue | Absent


def differences(left: JsonValue, right: JsonValue, path: KeyPath = ()) -> Iterator[Difference]:
    """The differences, in the order of the left side's keys, then of the right side's additional ones.

    Lists of named mappings (a sweep's networks) are compared by name, in any order; lists of as many unnamed mappings
    one by one; any other list is one value.
    """
    parts = _parts(left, right)
    if parts is None:
        if left != right or isinstance(left, bool) != isinstance(right, bool):
            yield Difference(path, left, right)
        return
    lefts, rights = parts
    for key in dict.fromkeys([*lefts, *rights]):
        here = (*path, key)
        if key not in rights:
            yield Difference(here, lefts[key], ABSENT)
        elif key not in lefts:
            yield Difference(here, ABSENT, rights[key])
        else:
            yield from differences(lefts[key], rights[key], here)


def _parts(left: JsonValue, right: JsonValue) -> tuple[_Parts, _Parts] | None:
    """Both sides by their keys; None where at least one is a single value."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left, right
    if not (isinstance(left, list) and isinstance(right, list)):
        return None
    lefts, rights = _by_name(left), _by_name(right)
    if lefts is not None and rights is not None:
        return lefts, rights
    if len(left) == len(right) and all(isinstance(one, dict) for one in (*left, *right)):
        return dict(enumerate(left)), dict(enumerate(right))
    return None


def _by_name(items: Sequence[JsonValue]) -> _Parts | None:
    """Mappings by name, if all have distinct names, as in an empty list; None otherwise."""
    named: dict[str, JsonValue] = {}
    for item in items:
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(name, str) or name in named:
            return None
        named[name] = {key: value for key, value in item.items() if key != "name"}
    return named
