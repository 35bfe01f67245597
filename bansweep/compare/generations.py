"""Why two generations have different ids, and how their results and trainings differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from bansweep.compare.differences import Difference, differences
from bansweep.config.user_code import with_digests
from bansweep.errors import KeyPath
from bansweep.graph.generation import Generation
from bansweep.graph.plan import Cell, Plan
from bansweep.store.layout import WEIGHTS_FILE
from bansweep.store.records import GenerationRecord

_TRAINING = {
    "input_shape",
    "classes",
    "parameters",
    "teacher_digest",
    "training_seconds",
    "device",
    "host",
    "versions",
    "selected_epoch",
    "compiled_epochs",
}

Known = Mapping[str, Generation]
"""Generations by their ids, among which teachers are looked for."""


@dataclass(frozen=True)
class CellPair:
    """A cell that both plans have. `own` are the differences of its two generations themselves; `taught_differently` is
    true if both have a teacher, but different ones. With neither, it is the same generation."""

    left: Cell
    right: Cell
    own: tuple[Difference, ...]
    taught_differently: bool

    @property
    def same(self) -> bool:
        return self.left.generation_id == self.right.generation_id


@dataclass(frozen=True)
class PlanComparison:
    """The cells of two plans, matched by the names of row and column and by the replica's seed."""

    pairs: tuple[CellPair, ...]
    only_left: tuple[Cell, ...]
    only_right: tuple[Cell, ...]

    @property
    def same(self) -> tuple[CellPair, ...]:
        return tuple(pair for pair in self.pairs if pair.same)

    @property
    def different(self) -> tuple[CellPair, ...]:
        return tuple(pair for pair in self.pairs if not pair.same)


def compare_plans(left: Plan, right: Plan) -> PlanComparison:
    """Which cells hold the same generations, and why the others do not."""
    lefts = {(cell.row, cell.column, cell.replica_seed): cell for cell in left.cells}
    rights = {(cell.row, cell.column, cell.replica_seed): cell for cell in right.cells}
    return PlanComparison(
        pairs=tuple(_pair(left, right, lefts[key], rights[key]) for key in lefts if key in rights),
        only_left=tuple(cell for key, cell in lefts.items() if key not in rights),
        only_right=tuple(cell for key, cell in rights.items() if key not in lefts),
    )


def generation_differences(
    left: Generation, right: Generation, left_known: Known, right_known: Known
) -> Iterator[Difference]:
    """What gives two generations different ids: in themselves and in all ancestors (`teacher.recipe.epochs`).

    An unknown teacher is shown by its id. The comparison ends at equal teachers, which have the same ancestors, and at
    a pair that was compared before, since damaged records may be circular.
    """
    path: KeyPath = ()
    compared: set[tuple[str | None, str | None]] = set()
    while True:
        yield from own_differences(left, right, path)
        path = (*path, "teacher")
        teachers = (left.teacher, right.teacher)
        if left.teacher == right.teacher or left.teacher is None or right.teacher is None or teachers in compared:
            return
        compared.add(teachers)
        left_teacher, right_teacher = left_known.get(left.teacher), right_known.get(right.teacher)
        if left_teacher is None or right_teacher is None:
            yield Difference(path, left.teacher, right.teacher)
            return
        left, right = left_teacher, right_teacher


def own_differences(left: Generation, right: Generation, path: KeyPath = ()) -> Iterator[Difference]:
    """The differences of two generations except their teachers; that only one has a teacher is a difference."""
    # The index acts only through the seed and is not part of an id.
    apart = {"generation_index", "teacher"}
    dumps = [with_digests(one.model_dump(mode="json", exclude=apart)) for one in (left, right)]
    yield from differences(dumps[0], dumps[1], path)
    if (left.teacher is None) != (right.teacher is None):
        yield Difference((*path, "teacher"), left.teacher, right.teacher)


@dataclass(frozen=True)
class MetricPair:
    """A figure of two generations; None where a record is missing or lacks it."""

    name: str
    left: float | None
    right: float | None

    @property
    def difference(self) -> float | None:
        """Right minus left."""
        return None if self.left is None or self.right is None else self.right - self.left


def compare_metrics(left: GenerationRecord | None, right: GenerationRecord | None) -> tuple[MetricPair, ...]:
    """All figures that one of two records has, by name."""
    lefts: Mapping[str, float] = {} if left is None else left.metrics
    rights: Mapping[str, float] = {} if right is None else right.metrics
    return tuple(MetricPair(name, lefts.get(name), rights.get(name)) for name in sorted({*lefts, *rights}))


def training_differences(left: GenerationRecord, right: GenerationRecord) -> tuple[Difference, ...]:
    """Differences in how, where and with which versions two generations were trained, and in their weights."""
    trainings = _training(left), _training(right)
    if left.compiled_epochs is None or right.compiled_epochs is None:  # a former version did not record it
        for training in trainings:
            del training["compiled_epochs"]
    return tuple(differences(*trainings))


def _pair(left: Plan, right: Plan, left_cell: Cell, right_cell: Cell) -> CellPair:
    first, second = left.generations[left_cell.generation_id], right.generations[right_cell.generation_id]
    return CellPair(
        left_cell,
        right_cell,
        own=tuple(own_differences(first, second)),
        taught_differently=first.teacher != second.teacher and None not in (first.teacher, second.teacher),
    )


def _training(record: GenerationRecord) -> dict[str, JsonValue]:
    dumped: dict[str, Any] = record.model_dump(mode="json", include=_TRAINING)
    weights = {"weights": record.digests.get(WEIGHTS_FILE)}
    dumped["training_seconds"] = round(record.training_seconds, 1)
    setting = {} if record.winner is None else {"setting": dict(record.candidates[record.winner - 1].setting)}
    return {**dumped, **setting, **weights}
