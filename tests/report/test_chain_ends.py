"""Where chains ended, in words, as data, and in the table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from bansweep.config.reading import parse_sweep
from bansweep.data.fingerprint import data_identity
from bansweep.graph.chains import chain_ends, without_ended
from bansweep.graph.expand import expand
from bansweep.graph.plan import Plan
from bansweep.report.chain_ends import chain_remarks, chains_document
from bansweep.report.notation import headline, notes
from bansweep.report.table import report_table

SWEEP = """\
name: chained
data: {kind: digits, limit: 300, validation: 100}
recipe: wide-resnet
networks: [wrn-10-1]
seeds: [0, 1, 2]
chain: {loss: kd, length: 3, stop: {patience: 1}, ensemble: false}
"""
# By seed: validation errors of the teacher, ban-1, ...; the test errors are a tenth of them.
COURSES = {0: [50.0, 60.0], 1: [50.0, 40.0, 45.0], 2: [52.0, 44.0, 44.0]}


def plan_of(text: str = SWEEP) -> Plan:
    sweep = parse_sweep(text)
    return expand(sweep, data_identity(sweep.data))


def metrics_of(plan: Plan) -> dict[str, Mapping[str, float]]:
    metrics: dict[str, Mapping[str, float]] = {}
    for seed, course in COURSES.items():
        ids = [cell.generation_id for cell in plan.cells if cell.replica_seed == seed]
        for generation_id, error in zip(ids, course, strict=False):
            metrics[generation_id] = {"validation_error": error, "test_error": error / 10}
    return metrics


class Memory:
    def __init__(self, metrics: Mapping[str, Mapping[str, float]]) -> None:
        self._metrics = metrics

    def record(self, generation_id: str) -> Any:
        found = self._metrics.get(generation_id)
        return None if found is None else SimpleNamespace(metrics=found)


def test_cells_of_chains_that_ended_earlier_say_for_how_many_seeds_they_stand() -> None:
    plan = plan_of()
    metrics = metrics_of(plan)
    ends = chain_ends(plan, metrics)
    table = report_table(without_ended(plan, ends), Memory(metrics), paper=None)  # type: ignore[arg-type]
    values = {cell.column: cell.values for cell in table.cells}
    assert values == {"teacher": (5.0, 5.0, 5.2), "ban-1": (6.0, 4.0, 4.4), "ban-2": (None, 4.5, 4.4)}
    assert "up to 3 seeds" in headline(table)
    (note,) = [text for text in notes(table) if text.startswith("n = ")]
    assert note.startswith("n = 2 of 3 seeds, those whose chains came so far: wrn-10-1 / ban-2")
    assert not any("not finished" in text for text in notes(table))
    # A difference is taken over the seeds that both have.
    (difference,) = [one for one in table.differences if one.column == "ban-2"]
    assert difference.paired.n == 2
    assert difference.paired.mean is not None
    assert math.isclose(difference.paired.mean, (0.5 + 0.0) / 2, abs_tol=1e-9)


def test_the_sentence_names_the_end_the_cause_and_the_course() -> None:
    plan = plan_of()
    remarks = chain_remarks(chain_ends(plan, metrics_of(plan)), several_seeds=True)
    assert remarks == (
        "wrn-10-1, ban (seed 0): ended with ban-1 of 3, because the last generation was not better than its teacher: "
        "validation error of its teacher 50.00 %, then 60.00 %",
        "wrn-10-1, ban (seed 1): ended with ban-2 of 3, because the last generation was not better than ban-1: "
        "validation error of its teacher 50.00 %, then 40.00 %, 45.00 %",
        "wrn-10-1, ban (seed 2): ended with ban-2 of 3, because the last generation was not better than ban-1: "
        "validation error of its teacher 52.00 %, then 44.00 %, 44.00 %",
    )


def test_patience_a_bound_and_the_ensemble_are_said() -> None:
    plan = plan_of(
        SWEEP.replace("{patience: 1}, ensemble: false", "{patience: 2, min_delta: 0.5}").replace(
            "length: 3", "length: 5"
        )
    )
    ids = [cell.generation_id for cell in plan.cells if cell.replica_seed == 0]
    errors = dict(zip(ids, [50.0, 40.0, 39.8, 39.7], strict=False))
    (remark,) = chain_remarks(chain_ends(plan, {one: {"validation_error": error} for one, error in errors.items()}))
    assert remark == (
        "wrn-10-1, ban: ended with ban-3 of 5, because the last 2 generations were not better by more than 0.5 than "
        "ban-1: validation error of its teacher 50.00 %, then 40.00 %, 39.80 %, 39.70 %; ban-ens is the mean of "
        "ban-1, ban-2, ban-3"
    )


def test_programs_are_told_the_same() -> None:
    plan = plan_of()
    document = chains_document(chain_ends(plan, metrics_of(plan)))
    assert document[1] == {
        "chain": "ban",
        "row": "wrn-10-1",
        "seed": 1,
        "ended_after": "ban-2",
        "length": 3,
        "metric": "validation_error",
        "values": [50.0, 40.0, 45.0],
        "best": "ban-1",
    }
    assert json.loads(json.dumps(document)) == document


def test_infinite_figures_are_words_in_json() -> None:
    plan = plan_of()
    ids = [cell.generation_id for cell in plan.cells if cell.replica_seed == 0]
    errors = dict(zip(ids, [50.0, math.inf], strict=False))
    (chain,) = chains_document(chain_ends(plan, {one: {"validation_error": e} for one, e in errors.items()}))
    assert chain["values"] == [50.0, "Infinity"]
