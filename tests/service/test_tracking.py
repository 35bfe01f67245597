"""Which ensembles a tracker hears of: those whose figures the table has."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from made_up_generation import publish_made_up

from bansweep.config.reading import parse_sweep
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import Plan
from bansweep.report.table import report_table
from bansweep.service.tracking import finished_ensembles
from bansweep.store.parquet_tables import Predictions, TokenPredictions
from bansweep.store.store import Store
from bansweep.tracking.protocol import FinishedEnsemble

COLUMNS = """
generations: {teacher: {loss: labels}, ban: {loss: kd, teacher: teacher}}
ensembles: {ens*2: [teacher, ban]}
"""
SWEEPS = {
    "digits": f"name: a\ndata: digits\nrecipe: wide-resnet\nnetworks: [wrn-10-1]\nseeds: [7, 3]\n{COLUMNS}",
    "ptb": f"name: a\ndata: ptb\nrecipe: lstm\nnetworks: [lstm]\n{COLUMNS}",
}


def planned(kind: str) -> Plan:
    return expand(parse_sweep(SWEEPS[kind]), DataIdentity(kind=kind, fingerprint="f"))


def told(plan: Plan, store: Store) -> tuple[FinishedEnsemble, ...]:
    return tuple(finished_ensembles(plan, report_table(plan, store, paper=None)))


def test_the_ensembles_of_replicas_whose_members_are_finished(tmp_path: Path) -> None:
    plan, store = planned("digits"), Store(tmp_path)
    sure = {"teacher": 0.9, "ban": 0.3}  # of class 0, which is right: their mean is 0.6
    for cell in plan.cells:
        if (cell.column, cell.replica_seed) != ("ban", 7):
            probability = sure[cell.column]
            answers = Predictions(np.array([[probability, 1 - probability]], np.float32), np.zeros(1, np.int64))
            error = 0.0 if probability > 0.5 else 100.0
            publish_made_up(
                store, plan.generations[cell.generation_id], metrics={"test_error": error}, predictions=answers
            )

    members = tuple(cell.generation_id for cell in plan.cells if cell.replica_seed == 3)
    assert told(plan, store) == (FinishedEnsemble("wrn-10-1", "ens*2", 3, members, {"test_error": 0.0}),)


def test_language_models_have_two_figures(tmp_path: Path) -> None:
    plan, store = planned("ptb"), Store(tmp_path)
    for cell, probability in zip(plan.cells, (1 / 8, 1 / 4), strict=True):
        validation, test = np.log([probability]).astype(np.float32), np.log([1 / 2]).astype(np.float32)
        publish_made_up(
            store,
            plan.generations[cell.generation_id],
            metrics={"validation_perplexity": 1 / probability, "test_perplexity": 2.0},
            predictions=TokenPredictions(validation, test),
        )

    [ensemble] = told(plan, store)

    # The mean of 1/8 and 1/4 is 3/16.
    assert ensemble.metrics["validation_perplexity"] == pytest.approx(16 / 3, rel=1e-6)
    assert math.isclose(ensemble.metrics["test_perplexity"], 2.0, rel_tol=1e-6)
    assert ensemble.members == tuple(cell.generation_id for cell in plan.cells)
