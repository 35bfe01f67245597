"""The chains of columns in a row."""

from __future__ import annotations

from bansweep.config.reading import parse_sweep
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import Plan
from bansweep.report.page.generation_charts import column_chains


def plan_of(generations: str) -> Plan:
    text = f"name: chains\ndata: digits\nrecipe: wide-resnet\nnetworks: [wrn-10-1]\n{generations}"
    return expand(parse_sweep(text), DataIdentity(kind="digits", fingerprint="f"))


def test_a_skipped_column_ends_its_chain_in_that_row_alone(plan: Plan) -> None:
    assert column_chains(plan, "densenet-80-80") == (("teacher", "ban", "ban-2"),)
    assert column_chains(plan, "densenet-80-120") == (("teacher", "ban"),)


def test_chains_that_begin_alike_in_the_order_of_columns() -> None:
    plan = plan_of(
        "generations:\n"
        "  teacher: {loss: labels}\n"
        "  other: {loss: labels, seed: 7}\n"
        "  ban: {loss: kd, teacher: teacher}\n"
        "  cwtm: {loss: cwtm, teacher: teacher}\n"
        "  ban-2: {loss: kd, teacher: ban}\n"
    )
    assert column_chains(plan, "wrn-10-1") == (("teacher", "ban", "ban-2"), ("teacher", "cwtm"), ("other",))


def test_a_generation_in_two_columns_counts_once() -> None:
    plan = plan_of(
        "generations:\n"
        "  teacher: {loss: labels}\n"
        "  ban: {loss: kd, teacher: teacher}\n"
        "  same: {loss: kd, teacher: teacher}\n"
    )
    assert len(plan.generations) == 2
    assert column_chains(plan, "wrn-10-1") == (("teacher", "ban"),)
