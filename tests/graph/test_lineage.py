"""What a plan knows of its own graph, against values worked out by hand."""

from __future__ import annotations

from dataclasses import replace

from bansweep.config.reading import parse_sweep
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import Plan

SWEEP = """\
name: families
data: {kind: digits}
recipe: wide-resnet
seeds: [7, 3]
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
  ban: {loss: kd, teacher: teacher}
  ban-2: {loss: kd, teacher: ban}
  cwtm: {loss: cwtm, teacher: teacher}
"""
PLAN = expand(parse_sweep(SWEEP), DataIdentity(kind="digits", fingerprint="x"))


def ids(seed: int) -> dict[str, str]:
    return {cell.column: cell.generation_id for cell in PLAN.cells if cell.replica_seed == seed}


def test_seeds_keep_the_order_of_the_sweep() -> None:
    assert PLAN.replica_seeds == (7, 3)


def test_a_lineage_leads_from_labels_to_the_generation() -> None:
    one = ids(3)
    assert PLAN.lineage(one["ban-2"]) == (one["teacher"], one["ban"], one["ban-2"])
    assert PLAN.lineage(one["cwtm"]) == (one["teacher"], one["cwtm"])
    assert PLAN.lineage(one["teacher"]) == (one["teacher"],)


def test_a_lineage_begins_with_the_first_known_id() -> None:
    one = ids(7)
    without_teacher = {key: value for key, value in PLAN.generations.items() if key != one["teacher"]}
    part: Plan = replace(PLAN, generations=without_teacher)
    assert part.lineage(one["ban-2"]) == (one["teacher"], one["ban"], one["ban-2"])
    assert part.lineage("unknown") == ("unknown",)


def test_sums_along_lineages() -> None:
    one, other = ids(7), ids(3)
    values = {one["teacher"]: 1.0, one["ban"]: 10.0, one["ban-2"]: 100.0, one["cwtm"]: 1000.0, other["ban"]: 5.0}
    sums = PLAN.summed_with_teachers(values)
    assert [sums[one[column]] for column in ("teacher", "ban", "ban-2", "cwtm")] == [1.0, 11.0, 111.0, 1001.0]
    assert [sums[other[column]] for column in ("teacher", "ban", "ban-2", "cwtm")] == [0.0, 5.0, 5.0, 0.0]
