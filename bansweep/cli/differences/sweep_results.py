"""The results of two sweeps side by side, in the words and figures that people and programs read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bansweep.cli.tables import PlainTable
from bansweep.compare.results import CellResults, ResultsComparison, compare_results
from bansweep.plan.chains import without_ended
from bansweep.plan.plan import Plan
from bansweep.report.cells import ReportCell
from bansweep.report.damage import DamageNoted
from bansweep.report.document import json_figure
from bansweep.report.metrics import Metric
from bansweep.service.generation_states import ended_chains
from bansweep.store.store import Store


@dataclass(frozen=True)
class SweepResults:
    """`damaged` says what could not be read, and what to do."""

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
                ("network", "column", "A", "B", "difference", "95 % interval", ""),
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
    """The results of two plans by what their stores have. Raises StoreError where they cannot be read."""
    plans = [without_ended(plan, ended_chains(plan, store)) for plan, store in (left, right)]
    stores = [DamageNoted(store) for _, store in (left, right)]
    compared = compare_results(plans[0], plans[1], stores[0], stores[1])
    return SweepResults(compared, tuple(dict.fromkeys(message for store in stores for message in store.messages)))


def _pair_document(pair: CellResults) -> dict[str, Any]:
    paired = pair.paired
    return {
        "row": pair.left.row,
        "column": pair.left.column,
        "same_generations": pair.same,
        "left": _figures_document(pair.left),
        "right": _figures_document(pair.right),
        "difference": json_figure(pair.difference),
        "paired": {
            "values": [json_figure(value) for value in paired.values],
            "n": paired.n,
            "sd": json_figure(paired.sd),
            "interval": None if paired.interval is None else [json_figure(end) for end in paired.interval],
            "within_noise": paired.within_noise,
        },
    }


def _cell_document(cell: ReportCell) -> dict[str, Any]:
    return {"row": cell.row, "column": cell.column, **_figures_document(cell)}


def _figures_document(cell: ReportCell) -> dict[str, Any]:
    return {
        "values": [json_figure(value) for value in cell.values],
        "mean": json_figure(cell.mean),
        "sd": json_figure(cell.sd),
    }


def _pair_row(pair: CellResults, metric: Metric) -> tuple[str, ...]:
    difference = "-" if pair.difference is None else metric.difference_text(pair.difference)
    interval = "-"
    # Of the same generations in one store there is nothing to say.
    if pair.paired.interval is not None and not (pair.same and not any(pair.paired.values)):
        low, high = pair.paired.interval
        interval = f"{metric.difference_text(low)} … {metric.difference_text(high)}"
    return (
        pair.left.row,
        pair.left.column,
        _figure_text(pair.left, metric),
        _figure_text(pair.right, metric),
        difference,
        interval,
        _remark(pair),
    )


def _figure_text(cell: ReportCell, metric: Metric) -> str:
    """`17.42 ± 0.13`; `(2 of 3)` follows where seeds are unfinished."""
    if cell.mean is None:
        return "-"
    spread = "" if cell.sd is None else f" ± {metric.text(cell.sd)}"
    part = f" ({cell.finished} of {cell.finished + cell.unfinished})" if cell.unfinished else ""
    return metric.text(cell.mean) + spread + part


def _remark(pair: CellResults) -> str:
    if pair.same:
        return "the same generations"
    if pair.difference is None:
        return "not finished"
    if not pair.paired.n:
        return "no seed in common"
    if pair.paired.within_noise is None:
        return "one seed: no interval" if pair.paired.n == 1 else "infinite figures: no interval"
    return "within seed noise" if pair.paired.within_noise else "beyond seed noise"
