"""The JSON document, exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bansweep.graph.plan import Plan
from bansweep.report.document import Outcome, report_document
from bansweep.report.metrics import TEST_ERROR
from bansweep.report.table import ReportTable, report_table


def test_document_exactly(plan: Plan, memory: Any) -> None:
    teacher = memory.id_at("densenet-80-80", "teacher", 3)
    other = memory.id_at("densenet-80-120", "teacher", 3)
    failed = memory.id_at("densenet-80-120", "teacher", 1)
    blocked = memory.id_at("densenet-80-120", "ban", 1)
    whole = report_table(plan, memory, paper="table2")
    table = replace(
        whole,
        cells=tuple(
            cell
            for cell in whole.cells
            if (cell.row, cell.column) in {("densenet-80-80", "ens*2"), ("densenet-80-120", "teacher")}
        ),
        differences=(),
        baseline_differences=(),
        ensemble_differences=(),
        damaged=("a file is damaged",),
    )
    document = report_document(
        plan,
        table,
        Outcome(trained=(teacher,), reused=(other,), failed={failed: "the loss became nan"}, blocked={blocked: failed}),
    )
    assert document == {
        "sweep": "example",
        "rehearsal": False,
        "metric": "test_error",
        "seeds": [3, 1, 2],
        "trained": [teacher],
        "reused": [other],
        "failed": [{"id": failed, "label": "densenet-80-120 / teacher (seed 1)", "reason": "the loss became nan"}],
        "blocked": [{"id": blocked, "label": "densenet-80-120 / ban (seed 1)", "cause": failed}],
        "cells": [
            {
                "row": "densenet-80-80",
                "column": "ens*2",
                "values": [50.0, 50.0, None],
                "mean": 50.0,
                "sd": 0.0,
                "paper": 15.46,
                "difference": 50.0 - 15.46,
                "within_noise": False,
            },
            {
                "row": "densenet-80-120",
                "column": "teacher",
                "values": [16.875, None, None],
                "mean": 16.875,
                "sd": None,
                "paper": 16.87,
                "difference": 16.875 - 16.87,
                "within_noise": None,
            },
        ],
        "differences": [],
        "baseline_differences": [],
        "ensemble_differences": [],
        "damaged": ["a file is damaged"],
    }
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_a_rehearsal_says_so_and_has_no_differences(plan: Plan, memory: Any) -> None:
    document = report_document(plan, report_table(plan, memory, paper="table2", rehearsal=True), Outcome())
    assert document["rehearsal"] is True
    assert {cell["difference"] for cell in document["cells"]} == {None}
    assert document["cells"][0]["paper"] == 17.16
    assert document["differences"] == document["baseline_differences"] == document["ensemble_differences"] == []


def test_differences_with_their_intervals(plan: Plan, memory: Any) -> None:
    document = report_document(plan, report_table(plan, memory, paper=None), Outcome())
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    ban, ban_2, unfinished = document["differences"]
    values, interval = ban.pop("values"), ban.pop("interval")
    assert values == pytest.approx([-1.0, -0.4, -0.7])
    # t(0.975; 2) = 4.302653
    assert interval == pytest.approx([-0.7 - 4.302653 * 0.3 / 3**0.5, -0.7 + 4.302653 * 0.3 / 3**0.5], abs=1e-6)
    assert ban == {
        "row": "densenet-80-80",
        "column": "ban",
        "teacher": "teacher",
        "mean": pytest.approx(-0.7),
        "sd": pytest.approx(0.3),
        "n": 3,
        "within_noise": True,
    }
    assert (ban_2["column"], ban_2["teacher"], ban_2["n"], ban_2["values"][2]) == ("ban-2", "ban", 2, None)
    assert unfinished == {
        "row": "densenet-80-120",
        "column": "ban",
        "teacher": "teacher",
        "values": [None, None, None],
        "mean": None,
        "sd": None,
        "n": 0,
        "interval": None,
        "within_noise": None,
    }
    (from_baseline,) = document["baseline_differences"]
    assert (from_baseline["column"], from_baseline["baseline"]) == ("ban-2", "teacher")
    assert from_baseline["mean"] == pytest.approx(-1.3)


def test_ensembles_are_compared_with_the_network_that_their_chains_began_with(plan: Plan, memory: Any) -> None:
    document = report_document(plan, report_table(plan, memory, paper=None), Outcome())
    finished, unfinished = document["ensemble_differences"]
    assert (finished["row"], finished["column"], finished["baseline"]) == ("densenet-80-80", "ens*2", "teacher")
    assert finished["values"] == [50.0 - 18.0, 50.0 - 17.5, None]
    assert (finished["n"], finished["within_noise"]) == (2, False)
    assert (unfinished["row"], unfinished["n"]) == ("densenet-80-120", 0)


def test_nothing_happened(plan: Plan) -> None:
    nothing = ReportTable("example", TEST_ERROR, (), (), (3, 1, 2), paper=None, cells=(), differences=())
    assert report_document(plan, nothing, Outcome()) == {
        "sweep": "example",
        "rehearsal": False,
        "metric": "test_error",
        "seeds": [3, 1, 2],
        "trained": [],
        "reused": [],
        "failed": [],
        "blocked": [],
        "cells": [],
        "differences": [],
        "baseline_differences": [],
        "ensemble_differences": [],
        "damaged": [],
    }
