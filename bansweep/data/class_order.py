"""One numbering of classes for all files of a data set, which may number the same classes differently.

If all files number the classes alike, labels are used unchanged: stored ids and weights depend on that. Otherwise
classes are numbered by their sorted names, whatever the order in any file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bansweep.errors import DataError


class NamedClasses(NamedTuple):
    """A file and its class names by label; no names where the file has none."""

    path: Path
    names: tuple[str, ...]


class ClassOrder(NamedTuple):
    """The class names by label, none where no file has any. `agreed`: every file numbers the classes this way."""

    names: tuple[str, ...]
    agreed: bool


def class_order(files: Sequence[NamedClasses]) -> ClassOrder:
    """The order of classes for all `files` of a data set, those for training first.

    Raises DataError, naming a file, where only some files have names, where two files name different classes, or where
    labels need to be matched by name and a file has a name twice.
    """
    first = files[0]
    for other in files:
        _require_same_names(first, other)
    if all(other.names == first.names for other in files):
        return ClassOrder(first.names, agreed=True)
    for path, names in files:
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(
                f"{path}: two classes are named {repeated[0]!r}, and the files list their classes in different orders",
                remedy="give each class a name of its own, or use the same order in all files",
            )
    return ClassOrder(tuple(sorted(first.names)), agreed=False)


def _require_same_names(first: NamedClasses, other: NamedClasses) -> None:
    if bool(first.names) != bool(other.names):
        without, named = (first, other) if other.names else (other, first)
        raise DataError(
            f"{without.path} has no class names, but {named.path} has",
            remedy="write the class names into the schema of every training and test file, or of none: without names, "
            "equal labels are the same class",
        )
    if sorted(first.names) != sorted(other.names):
        raise DataError(
            f"{other.path}: its class names differ from those of {first.path}: {_difference(first, other)}",
            remedy="give all training and test files the same class names, in any order",
        )


def _difference(first: NamedClasses, other: NamedClasses) -> str:
    added = [name for name in other.names if name not in first.names]
    missing = [name for name in first.names if name not in other.names]
    parts = [("only here", added), ("missing here", missing)]
    listed = [f"{what} {', '.join(map(repr, names[:5]))}{' ...' * (len(names) > 5)}" for what, names in parts if names]
    return "; ".join(listed) or "a name occurs more often in one of them"
