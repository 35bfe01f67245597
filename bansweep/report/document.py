"""The report for programs: a JSON document with stable keys, and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bansweep.graph.plan import Plan
from bansweep.report.cells import ReportCell
from bansweep.report.paired_differences import PairedDifference, StudentDifference, paper_difference
from bansweep.report.table import ReportTable

_FIXED_COLUMNS = ("network", "column", "kind", "mean", "sd", "paper", "difference", "rehearsal")


def comma_separated(table: ReportTable) -> str:
    """CSV text with a header line: the columns that every report has, then one for each seed.

    A missing figure (of an unfinished seed, or not in the paper) is an empty string. `difference` is the mean
    minus the paper's figure; `rehearsal` is true or false, the same in every line.
    """
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow([*_FIXED_COLUMNS, *(f"seed {seed}" for seed in table.seeds)])
    rehearsal = "true" if table.rehearsal else "false"
    for cell in table.cells:
        figures = _empty_for_none(cell.mean, cell.sd, cell.paper, cell.difference)
        writer.writerow([cell.row, cell.column, cell.kind, *figures, rehearsal, *_empty_for_none(*cell.values)])
    return text.getvalue()


def _empty_for_none(*figures: float | None) -> list[float | str]:
    return ["" if figure is None else figure for figure in figures]


@dataclass(frozen=True)
class Outcome:
    """The outcomes of a plan's generations, by their ids.

    `trained` by this command, `reused` because the store had them; `failed` maps to the reason, `blocked` to the
    failed ancestor's id (as `GenerationBlocked`).
    """

    trained: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    blocked: Mapping[str, str] = field(default_factory=dict)


def report_document(plan: Plan, table: ReportTable, outcome: Outcome) -> dict[str, Any]:
    """Plain data that `json.dumps` takes: ids of `trained` and `reused`, objects elsewhere, figures in full.

    A cell's `values` are in the order of `seeds`; its `difference` is the mean minus the paper's figure, `within_noise`
    whether seeds alone may explain it (see `PaperDifference`). `differences` are students minus teachers;
    `baseline_differences` and, over several seeds, `ensemble_differences` are students and ensembles minus the first
    teacher in their chain; a rehearsal has none. Infinite figures are strings, as in records: standard JSON has no such
    numbers.
    """
    return {
        "sweep": table.sweep,
        "rehearsal": table.rehearsal,
        "metric": table.metric.name,
        "seeds": list(table.seeds),
        "trained": list(outcome.trained),
        "reused": list(outcome.reused),
        "failed": [
            {"id": generation_id, "label": plan.label(generation_id), "reason": reason}
            for generation_id, reason in outcome.failed.items()
        ],
        "blocked": [
            {"id": generation_id, "label": plan.label(generation_id), "cause": cause}
            for generation_id, cause in outcome.blocked.items()
        ],
        "cells": [_cell(cell) for cell in table.cells],
        "differences": [_difference(one, "teacher") for one in table.differences],
        "baseline_differences": [_difference(one, "baseline") for one in table.baseline_differences],
        "ensemble_differences": [_difference(one, "baseline") for one in table.ensemble_differences],
        "damaged": list(table.damaged),
    }


def _cell(cell: ReportCell) -> dict[str, Any]:
    from_paper = paper_difference(cell)
    return {
        "row": cell.row,
        "column": cell.column,
        **figures_document(cell),
        "paper": json_figure(cell.paper),
        "difference": json_figure(cell.difference),
        "within_noise": None if from_paper is None else from_paper.within_noise,
    }


def _difference(difference: StudentDifference, reference: str) -> dict[str, Any]:
    return {
        "row": difference.row,
        "column": difference.column,
        reference: difference.reference,
        **paired_document(difference.paired),
    }


def figures_document(cell: ReportCell) -> dict[str, Any]:
    """A cell's figures with mean and standard deviation."""
    return {
        "values": [json_figure(value) for value in cell.values],
        "mean": json_figure(cell.mean),
        "sd": json_figure(cell.sd),
    }


def paired_document(paired: PairedDifference) -> dict[str, Any]:
    """A difference for each seed, with their statistics."""
    return {
        "values": [json_figure(value) for value in paired.values],
        "mean": json_figure(paired.mean),
        "sd": json_figure(paired.sd),
        "n": paired.n,
        "interval": None if paired.interval is None else [json_figure(end) for end in paired.interval],
        "within_noise": paired.within_noise,
    }


def json_figure(value: float | None) -> float | str | None:
    """A figure as standard JSON can hold it: infinite ones as words."""
    return value if value is None or math.isfinite(value) else json.dumps(value)
