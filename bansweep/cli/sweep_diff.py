"""Two sweeps side by side: their files, their generations, and their stored results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bansweep.cli.generation_diff import difference_document, difference_table, difference_text
from bansweep.cli.tables import PlainTable
from bansweep.compare.differences import Difference, differences
from bansweep.compare.generations import CellPair, PlanComparison, compare_plans
from bansweep.compare.sweep_results import CellResults, ResultsComparison, compare_results
from bansweep.config.reading import read_sweep
from bansweep.config.sweep import SweepSpec
from bansweep.config.user_code import with_digests
from bansweep.data.fingerprint import data_identities
from bansweep.errors import DataError
from bansweep.graph.chains import without_ended
from bansweep.graph.plan import Cell, Plan
from bansweep.report.cells import ReportCell
from bansweep.report.document import figures_document, json_figure, paired_document
from bansweep.report.metrics import Metric
from bansweep.report.notation import INTERVAL, interval_text, mean_text, spread_text, verdict
from bansweep.report.stored_figures import DamageTolerantStore
from bansweep.service.generation_states import ended_chains
from bansweep.service.request import planned
from bansweep.store.store import Store


@dataclass(frozen=True)
class SweepSide:
    """One of the two. `plan` is None where its data are missing: `missing_data` is the reason."""

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
    """`generations` is None where a side's data are missing; `results` also where neither has a finished generation."""

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
        results = sweep_results((left.plan, left.store), (right.plan, right.store))
    return SweepDiff(left, right, spec, compare_plans(left.plan, right.plan), results)


@dataclass(frozen=True)
class SweepResults:
    """`damaged` has a message for each file that could not be read."""

    compared: ResultsComparison
    damaged: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Plain data for `json.dumps`. Differences are right minus left."""
        compared = self.compared
        return {
            "metric": None if compared.metric is None else compared.metric.name,
            "cells": [_pair_document(pair) for pair in compared.pairs],
            "only_left": [_cell_document(cell) for cell in compared.only_left],
            "only_right": [_cell_document(cell) for cell in compared.only_right],
            "damaged": list(self.damaged),
        }

    def text(self) -> Iterator[str | PlainTable]:
        metric = self.compared.metric
        if metric is None:
            yield "results: one sweep is judged by its test error, the other by perplexity: no figures to compare"
        elif self.compared.pairs:
            yield f"results: {metric.heading} (difference: B − A, {metric.difference_unit}; negative: B is better)"
            yield PlainTable(
                ("network", "column", "A", "B", "difference", INTERVAL, ""),
                [_pair_row(pair, metric) for pair in self.compared.pairs],
                frozenset({2, 3, 4, 5}),
            )
        else:
            yield "results: no cell is in both sweeps"
        for name, cells in (("A", self.compared.only_left), ("B", self.compared.only_right)):
            if cells:
                yield f"in {name} only: " + ", ".join(f"{cell.row} / {cell.column}" for cell in cells)
        for message in self.damaged:
            yield f"damaged: {message}"


def sweep_results(left: tuple[Plan, Store], right: tuple[Plan, Store]) -> SweepResults:
    """The results of two plans from their stores. Raises StoreError where they cannot be read."""
    plans = [without_ended(plan, ended_chains(plan, store)) for plan, store in (left, right)]
    stores = [DamageTolerantStore(store) for _, store in (left, right)]
    compared = compare_results(plans[0], plans[1], stores[0], stores[1])
    return SweepResults(compared, tuple(dict.fromkeys(message for store in stores for message in store.messages)))


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
    """The number of cells with the same generation, and the causes for the others, grouped."""
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


def _pair_document(pair: CellResults) -> dict[str, Any]:
    paired = paired_document(pair.paired)
    return {
        "row": pair.left.row,
        "column": pair.left.column,
        "same_generations": pair.same,
        "left": figures_document(pair.left),
        "right": figures_document(pair.right),
        "difference": json_figure(pair.difference),
        # The mean is `difference`.
        "paired": {key: paired[key] for key in ("values", "n", "sd", "interval", "within_noise")},
    }


def _cell_document(cell: ReportCell) -> dict[str, Any]:
    return {"row": cell.row, "column": cell.column, **figures_document(cell)}


def _pair_row(pair: CellResults, metric: Metric) -> tuple[str, ...]:
    difference = "-" if pair.difference is None else metric.difference_text(pair.difference)
    interval = "-"
    # The same generations in one store have no difference.
    if pair.paired.interval is not None and not (pair.same and not any(pair.paired.values)):
        interval = interval_text(metric, pair.paired)
    return (
        pair.left.row,
        pair.left.column,
        _figure_text(pair.left),
        _figure_text(pair.right),
        difference,
        interval,
        _remark(pair),
    )


def _figure_text(cell: ReportCell) -> str:
    """`17.42 ± 0.13`; `(2 of 3)` follows where seeds are unfinished."""
    if cell.mean is None:
        return "-"
    part = f"({cell.finished} of {cell.finished + cell.unfinished})" if cell.unfinished else ""
    return " ".join(filter(None, (mean_text(cell), spread_text(cell), part)))


def _remark(pair: CellResults) -> str:
    if pair.same:
        return "the same generations"
    if pair.difference is None:
        return "not finished"
    if not pair.paired.n:
        return "no seed in common"
    return verdict(pair.paired)
