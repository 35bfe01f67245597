"""What is not needed any more, counted as chains end, against the plan that is worked out anew without them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bansweep.config.reading import parse_sweep
from bansweep.graph.chains import chain_ends, without_ended
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import Plan, select
from bansweep.scheduling.schedule import NeededGenerations

# `twin` begins with generations that are those of `ban`; `late` learns from the middle of `ban`, and so does `pupil`.
SWEEP = """\
name: chained
data: {kind: digits, limit: 300, validation: 100}
recipe: wide-resnet
networks: [wrn-10-1, wrn-16-1]
generations:
  teacher: {loss: labels}
  pupil: {loss: cwtm, teacher: ban-3}
ensembles:
  best: [teacher, ban-2]
chain:
  - {loss: kd, length: 5, stop: {patience: 1}}
  - {name: twin, loss: kd, length: 4, stop: {patience: 2}}
  - {name: late, teacher: ban-2, loss: kd, length: 3, stop: {patience: 1}}
  - {name: whole, loss: kd+labels, length: 2}
"""
DATA = DataIdentity(kind="digits", fingerprint="x", validation=100, limit=300)
PLAN = expand(parse_sweep(SWEEP), DATA)


def trained_in_some_order(plan: Plan, data: st.DataObject) -> None:
    """Train what is needed, teachers first, with errors that are drawn; look at what is left out all the time."""
    needed = NeededGenerations(plan)
    metrics: dict[str, dict[str, float]] = {}
    left_out: dict[str, str] = {}
    while True:
        ready = [
            one
            for one, generation in plan.generations.items()
            if one not in metrics and one not in left_out and generation.teacher in (None, *metrics)
        ]
        if not ready:
            break
        generation_id = data.draw(st.sampled_from(ready))
        metrics[generation_id] = {"validation_error": data.draw(st.sampled_from([1.0, 2.0, 3.0]))}
        new = needed.finish(generation_id, metrics[generation_id])
        assert not left_out.keys() & new.keys(), "told twice"
        left_out |= new
        kept = without_ended(plan, chain_ends(plan, metrics)).generations
        assert left_out.keys() == plan.generations.keys() - kept.keys()
        assert set(left_out.values()) <= metrics.keys(), "the last that counts is a finished one"
    assert metrics.keys() | left_out.keys() == plan.generations.keys()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_counted_needs_are_those_of_the_plan_without_ended_chains(data: st.DataObject) -> None:
    trained_in_some_order(PLAN, data)


@settings(max_examples=30, deadline=None)
@given(st.data(), st.sampled_from(["ban-2", "ban-ens", "pupil", "late*", "wrn-10-1/twin-4", "best"]))
def test_a_part_of_a_plan_has_needs_of_its_own(data: st.DataObject, only: str) -> None:
    trained_in_some_order(select(PLAN, [only]), data)


def test_a_chain_that_ended_leaves_out_the_rest_of_its_row() -> None:
    plan = expand(parse_sweep(SWEEP, ["chain=[{loss: kd, length: 4, stop: {patience: 1}}]"]), DATA)
    ids = {(cell.row, cell.column): cell.generation_id for cell in plan.cells}
    needed = NeededGenerations(plan)
    assert needed.finish(ids["wrn-10-1", "teacher"], {"validation_error": 5.0}) == {}
    left_out = needed.finish(ids["wrn-10-1", "ban-1"], {"validation_error": 5.0})
    assert left_out == {ids["wrn-10-1", "ban-4"]: ids["wrn-10-1", "ban-1"]}, "pupil needed ban-3, and ban-3 the others"
