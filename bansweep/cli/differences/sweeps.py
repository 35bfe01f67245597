"""Two sweeps side by side: their files, the generations that they stand for, and what the stores have of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bansweep.cli.differences.values import difference_document, difference_table, difference_text
from bansweep.cli.tables import PlainTable
from bansweep.compare.differences import Difference, differences
from bansweep.compare.generations import CellPair, PlanComparison, compare_plans
from bansweep.data.fingerprint import data_identities
from bansweep.errors import DataError
from bansweep.plan.plan import Cell, Plan
from bansweep.service.request import planned
from bansweep.spec.own_code import with_digests
from bansweep.spec.reading import read_sweep
from bansweep.spec.sweep import SweepSpec
from bansweep.store.store import Store

if TYPE_CHECKING:
    from bansweep.cli.differences.sweep_results import SweepResults


@dataclass(frozen=True)
class SweepSide:
    """One of the two. `plan` is None where its data are not here: `missing_data` says what is wrong with them."""

    path: Path
    spec: SweepSpec
    store: Store
    location: str
    plan: Plan | None
    missing_data: str = ""

    @classmethod
    def read(cls, path: Path, location: str, overrides: Sequence[str]) -> SweepSide:
        """Raises SweepFileError with everything that is wrong with the file."""
        spec, store = read_sweep(path, overrides), Store(location)
        try:
            plan = planned(spec, data_identities(spec.data), store)
        except DataError as error:
            return cls(path, spec, store, location, None, error.cause)
        return cls(path, spec, store, location, plan)


@dataclass(frozen=True)
class SweepDiff:
    """`generations` is None where a side's data are not here, `results` where nothing of either is finished as well."""

    left: SweepSide
    right: SweepSide
    spec: tuple[Difference, ...]
    generations: PlanComparison | None
    results: SweepResults | None

    def document(self) -> dict[str, Any]:
        """Plain data for `json.dumps`; infinite figures are strings."""
        return {
            "kind": "sweeps",
            "left": _side(self.left),
            "right": _side(self.right),
            "same": not self.spec,
            "spec": [difference_document(one) for one in self.spec],
            "generations": None if self.generations is None else _generations_document(self.generations),
            "results": None if self.results is None else self.results.document(),
        }

    def text(self) -> Iterator[str | PlainTable]:
        for name, side in (("A", self.left), ("B", self.right)):
            yield f"{name}  {side.spec.name} ({side.path}), store {side.location}"
        yield ""
        if self.spec:
            yield f"spec: {len(self.spec)} difference{'s' * (len(self.spec) > 1)}"
            yield difference_table(self.spec)
        else:
            yield "spec: the same"
        yield ""
        if self.generations is None:
            yield from (
                f"generations: not compared, since the data of {side.path} are not here: {side.missing_data}"
                for side in (self.left, self.right)
                if side.missing_data
            )
            return
        yield from _generations_text(self.generations)
        yield ""
        if self.results is None:
            yield "results: nothing of either is finished"
        else:
            yield from self.results.text()


def sweep_diff(left: SweepSide, right: SweepSide) -> SweepDiff:
    """What differs between two sweeps. Raises StoreError where a store cannot be read."""
    spec = tuple(differences(*(with_digests(one.spec.model_dump(mode="json")) for one in (left, right))))
    if left.plan is None or right.plan is None:
        return SweepDiff(left, right, spec, None, None)
    results = None
    if left.store.finished(left.plan.generations) or right.store.finished(right.plan.generations):
        # Figures of ensembles are computed: NumPy is imported for them, and for nothing before.
        from bansweep.cli.differences.sweep_results import sweep_results

        results = sweep_results((left.plan, left.store), (right.plan, right.store))
    return SweepDiff(left, right, spec, compare_plans(left.plan, right.plan), results)


def _side(side: SweepSide) -> dict[str, Any]:
    missing = {"missing_data": side.missing_data} if side.missing_data else {}
    return {"sweep": side.spec.name, "file": str(side.path), "store": side.location, **missing}


def _generations_document(compared: PlanComparison) -> dict[str, Any]:
    return {
        "same": [{**_cell(pair.left), "id": pair.left.generation_id} for pair in compared.same],
        "different": [
            {
                **_cell(pair.left),
                "left": pair.left.generation_id,
                "right": pair.right.generation_id,
                "causes": [difference_document(one) for one in pair.own],
                "taught_differently": pair.taught_differently,
            }
            for pair in compared.different
        ],
        "only_left": [{**_cell(cell), "id": cell.generation_id} for cell in compared.only_left],
        "only_right": [{**_cell(cell), "id": cell.generation_id} for cell in compared.only_right],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {"row": cell.row, "column": cell.column, "seed": cell.replica_seed}


def _generations_text(compared: PlanComparison) -> Iterator[str | PlainTable]:
    """How many cells hold the same generation, and for the others why not, equal causes together."""
    if not (compared.different or compared.only_left or compared.only_right):
        yield f"generations: the same in all {len(compared.same)} cells"
        return
    yield (
        f"generations: {len(compared.same)} cells hold the same generation, {len(compared.different)} another; "
        f"{len(compared.only_left)} are in A only, {len(compared.only_right)} in B only"
    )
    grouped: dict[str, list[Cell]] = {}
    for pair in compared.different:
        grouped.setdefault(_why(pair), []).append(pair.left)
    groups = [*grouped.items(), ("in A only", [*compared.only_left]), ("in B only", [*compared.only_right])]
    for why, cells in groups:
        if cells:
            yield f"  {why}\n    {_cells_text(cells)}"


def _why(pair: CellPair) -> str:
    if not pair.own:
        return "another teacher, and nothing else"
    return "; ".join([*map(difference_text, pair.own), *(["another teacher"] if pair.taught_differently else [])])


def _cells_text(cells: Iterable[Cell]) -> str:
    """`wrn-10-1 / teacher, ban; wrn-16-1 / ban`: each row once, and each of its columns for all seeds."""
    columns: dict[str, dict[str, None]] = {}
    for cell in cells:
        columns.setdefault(cell.row, {})[cell.column] = None
    return "; ".join(f"{row} / {', '.join(names)}" for row, names in columns.items())
