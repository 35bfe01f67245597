"""What differs between two nested values, key by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import JsonValue

from bansweep.errors import KeyPath


class Absent(Enum):
    """The value of a key that one side does not have."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True)
class Difference:
    """`left` and `right` are plain values; a whole part where only one side has it, and ABSENT on the other."""

    path: KeyPath
    left: JsonValue | Absent
    right: JsonValue | Absent


def differences(left: JsonValue, right: JsonValue, path: KeyPath = ()) -> Iterator[Difference]:
    """What differs, in the order of the left side's keys, then of those that only the right one has.

    Lists of named things (a sweep's networks) are compared by their names, wherever they stand; lists of as many
    unnamed things one by one; any other list is one value.
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


_Parts = Mapping[Any, JsonValue]


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


def _by_name(things: Sequence[JsonValue]) -> _Parts | None:
    """Things by their names, where all have one of their own; an empty list has no others."""
    named: dict[str, JsonValue] = {}
    for thing in things:
        name = thing.get("name") if isinstance(thing, dict) else None
        if not isinstance(thing, dict) or not isinstance(name, str) or name in named:
            return None
        named[name] = {key: value for key, value in thing.items() if key != "name"}
    return named
