"""Two generations side by side: the causes of different ids, and the differences of their results."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import JsonValue

from bansweep.cli.tables import PlainTable
from bansweep.compare.differences import ABSENT, Absent, Difference
from bansweep.compare.generations import MetricPair, compare_metrics, generation_differences, training_differences
from bansweep.config.yaml_document import key_text
from bansweep.formatting import figure_difference_text, figure_text, name_text, setting_text
from bansweep.graph.generation import Generation
from bansweep.report.document import json_figure
from bansweep.report.record_facts import result_names
from bansweep.store.records import GenerationRecord

_LONGEST = 60
_DIGEST = re.compile(r"[0-9a-f]{32,}")


@dataclass(frozen=True)
class Compared:
    """One of the two: its label, its `known` ancestors by id, and its record if it is finished."""

    label: str
    generation: Generation
    known: Mapping[str, Generation]
    record: GenerationRecord | None


@dataclass(frozen=True)
class GenerationDiff:
    """`causes` are the differences that give two ids, empty for the same generation; `training` has all others."""

    left: Compared
    right: Compared
    causes: tuple[Difference, ...]
    metrics: tuple[MetricPair, ...]
    training: tuple[Difference, ...]

    @property
    def same(self) -> bool:
        return self.left.generation.id == self.right.generation.id

    def document(self) -> dict[str, Any]:
        """Plain data for `json.dumps`; infinite figures are strings."""
        return {
            "kind": "generations",
            "left": _side(self.left),
            "right": _side(self.right),
            "same": self.same,
            "spec": [difference_document(one) for one in self.causes],
            "metrics": [
                {
                    "name": pair.name,
                    "left": json_figure(pair.left),
                    "right": json_figure(pair.right),
                    "difference": json_figure(pair.difference),
                }
                for pair in self.metrics
            ],
            "training": [difference_document(one) for one in self.training],
        }

    def text(self) -> Iterator[str | PlainTable]:
        for name, side in (("A", self.left), ("B", self.right)):
            finished = "finished" if side.record is not None else "not finished"
            yield f"{name}  {side.label} ({side.generation.id}), {finished}"
        yield ""
        if self.same:
            yield "spec: the same generation"
        else:
            many = len(self.causes) > 1
            yield f"spec: {len(self.causes)} difference{'s, each of' * many}{',' * (not many)} which gives another id"
            yield difference_table(self.causes)
        yield ""
        if self.metrics:
            pairs = {pair.name: pair for pair in self.metrics}
            yield "results (difference: B − A; one seed each, so there is no interval)"
            yield PlainTable(
                ("metric", "A", "B", "difference"),
                [_metric_row(pairs[name]) for name in result_names(pairs)],
                frozenset({1, 2, 3}),
            )
        else:
            yield "results: neither is finished"
        if self.training:
            yield ""
            yield "training"
            yield difference_table(self.training)


def generation_diff(left: Compared, right: Compared) -> GenerationDiff:
    """What differs between two generations."""
    both = None if left.record is None or right.record is None else (left.record, right.record)
    return GenerationDiff(
        left,
        right,
        causes=tuple(generation_differences(left.generation, right.generation, left.known, right.known)),
        metrics=compare_metrics(left.record, right.record),
        training=() if both is None else training_differences(*both),
    )


def difference_table(found: Iterable[Difference]) -> PlainTable:
    """A line for each difference: the key, A's value, B's."""
    return PlainTable(
        ("key", "A", "B"),
        [(key_text(one.path), *_texts(one)) for one in found],
    )


def difference_text(one: Difference) -> str:
    """`recipe.epochs 30 → 60`."""
    left, right = _texts(one)
    return f"{key_text(one.path)} {left} → {right}"


def difference_document(one: Difference) -> dict[str, Any]:
    """`path`, `left` and `right` in full; a side without the key is omitted."""
    sides = {"left": one.left, "right": one.right}
    return {"path": key_text(one.path), **{name: value for name, value in sides.items() if value is not ABSENT}}


def _texts(one: Difference) -> tuple[str, str]:
    """Both values, rounded like all settings unless that hides their difference; `-` for a missing one."""
    left, right = (_side_text(side, setting_text) for side in (one.left, one.right))
    if left == right:
        left, right = (_side_text(side, partial(json.dumps, ensure_ascii=False)) for side in (one.left, one.right))
    return _shortened(left), _shortened(right)


def _side_text(value: JsonValue | Absent, text: Callable[[JsonValue], str]) -> str:
    return "-" if isinstance(value, Absent) else text(value)


def _shortened(text: str) -> str:
    """Shortens long texts and digests."""
    if _DIGEST.fullmatch(text):
        return f"{text[:16]}…"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _side(side: Compared) -> dict[str, Any]:
    return {"id": side.generation.id, "label": side.label, "finished": side.record is not None}


def _metric_row(pair: MetricPair) -> tuple[str, str, str, str]:
    left, right = ("-" if value is None else figure_text(pair.name, value) for value in (pair.left, pair.right))
    difference = "-" if pair.difference is None else figure_difference_text(pair.name, pair.difference)
    return name_text(pair.name), left, right, difference
