"""Differences as people and programs read them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from bansweep.cli.tables import PlainTable
from bansweep.compare.differences import ABSENT, Absent, Difference
from bansweep.spec.document import key_text

_LONGEST = 60
_DIGEST = re.compile(r"[0-9a-f]{32,}")


def difference_table(found: Iterable[Difference]) -> PlainTable:
    """A line for each difference: the key, A's value, B's."""
    return PlainTable(
        ("key", "A", "B"),
        [(key_text(one.path), value_text(one.left), value_text(one.right)) for one in found],
    )


def difference_text(one: Difference) -> str:
    """`recipe.epochs 30 → 60`."""
    return f"{key_text(one.path)} {value_text(one.left)} → {value_text(one.right)}"


def difference_document(one: Difference) -> dict[str, Any]:
    """`path`, `left` and `right` in full; a side that has no such key has none here, either."""
    sides = {"left": one.left, "right": one.right}
    return {"path": key_text(one.path), **{name: value for name, value in sides.items() if value is not ABSENT}}


def value_text(value: object) -> str:
    """A value as a sweep file would have it, cut where it is long, as digests are; `-` where there is none."""
    if isinstance(value, Absent):
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if _DIGEST.fullmatch(text):
        return f"{text[:16]}…"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
