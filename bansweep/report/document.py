"""The JSON document of `bansweep run --json` and `bansweep report --json`: full precision, stable keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bansweep.plan.plan import Plan
from bansweep.report.cells import METRIC, ReportCell, replica_seeds


@dataclass(frozen=True)
class Outcome:
    """What became of a plan's generations, by their ids.

    `trained` by this command, `reused` because the store had them; `failed` maps to the reason, `blocked` to the
    failed ancestor's id (as `Frontier.blocked`).
    """

    trained: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    blocked: Mapping[str, str] = field(default_factory=dict)


def report_document(
    plan: Plan, cells: Sequence[ReportCell], outcome: Outcome, damaged: Sequence[str] = ()
) -> dict[str, Any]:
    """Plain data that `json.dumps` takes: ids of `trained` and `reused`, objects elsewhere, errors in percent.

    `damaged` is the table's. A cell's `values` are in the order of `seeds`.
    """
    return {
        "sweep": plan.sweep,
        "metric": METRIC,
        "seeds": list(replica_seeds(plan)),
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
        "cells": [
            {
                "row": cell.row,
                "column": cell.column,
                "values": list(cell.values),
                "mean": cell.mean,
                "sd": cell.sd,
                "paper": cell.paper,
            }
            for cell in cells
        ],
        "damaged": list(damaged),
    }
