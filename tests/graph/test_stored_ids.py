"""A plan has the ids under which a store holds its generations, and normalised ids for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from made_up_generation import publish_made_up

from bansweep.config.reading import parse_sweep, read_sweep
from bansweep.config.sweep import SweepSpec
from bansweep.data.fingerprint import data_identities
from bansweep.graph.expand import as_stored, expand, expansions
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import Plan
from bansweep.store.progress import Progress
from bansweep.store.store import Store

SWEEP = """\
name: stored
data: {kind: digits, limit: 1437}
recipe: {base: wide-resnet, weight_decay: -0.0}
networks: [wrn-10-1, wrn-16-1]
generations:
  teacher: {loss: labels}
  other: {loss: labels, seed: 1}
  ban: {loss: kd, teacher: teacher}
  cwtm: {loss: cwtm, teacher: other}
ensembles:
  all: [teacher, ban, cwtm]
chain: {loss: kd, teacher: ban, name: long, length: 2}
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def planned(text: str, store: Store) -> Plan:
    sweep = parse_sweep(text)
    plan = as_stored(expansions(sweep, data_identities(sweep.data)), store)
    check(plan, sweep)
    return plan


def former(text: str = SWEEP) -> Plan:
    """As the version before the normalisation planned it: what the file says, and nothing else."""
    sweep = parse_sweep(text)
    (first, *_) = data_identities(sweep.data)
    limits = {"limit": sweep.data.limit, "test_limit": sweep.data.test_limit}
    identity = DataIdentity(**{**dict(first), **limits})
    return next(plan for plan in expansions(sweep, [identity]) if "-0.0" not in text or _has_negative_zero(plan))


def _has_negative_zero(plan: Plan) -> bool:
    return all("-0.0" in one.model_dump_json() for one in plan.generations.values())


def check(plan: Plan, sweep: SweepSpec) -> None:
    """That a plan holds together: all ids are known, teachers come first, and are those of their students' columns."""
    seen: set[str] = set()
    for generation_id, generation in plan.generations.items():
        assert generation.id == generation_id
        assert generation.teacher is None or generation.teacher in seen
        seen.add(generation_id)
        assert plan.label(generation_id)
    assert {cell.generation_id for cell in plan.cells} == seen
    at = {(cell.row, cell.column): cell.generation_id for cell in plan.cells}
    for cell in plan.cells:
        teacher = sweep.generations[cell.column].teacher
        assert plan.generations[cell.generation_id].teacher == (None if teacher is None else at[cell.row, teacher])
    for ensemble in plan.ensembles:
        members = sweep.ensembles[ensemble.column].members
        assert ensemble.members == tuple(at[ensemble.row, member] for member in members)
    for chain in plan.chains:
        assert (chain.teacher, *chain.members) == tuple(at[chain.row, one] for one in ("ban", *chain.columns))


def publish(store: Store, plan: Plan, *cells: str) -> None:
    for cell in plan.cells:
        if f"{cell.row}/{cell.column}" in cells and not store.finished([cell.generation_id]):
            publish_made_up(store, plan.generations[cell.generation_id])


def ids(plan: Plan, row: str) -> Sequence[str]:
    return [cell.generation_id for cell in plan.cells if cell.row == row]


def normalised(text: str = SWEEP) -> Plan:
    sweep = parse_sweep(text)
    return expand(sweep, data_identities(sweep.data)[0])


def test_an_empty_store_changes_no_id(store: Store) -> None:
    assert planned(SWEEP, store) == normalised()
    assert not store.exists
    assert not former().generations.keys() & normalised().generations.keys()


def test_what_is_stored_under_former_ids_keeps_them_and_its_students_descend_from_it(store: Store) -> None:
    publish(store, former(), "wrn-10-1/teacher")
    plan = planned(SWEEP, store)
    before, fresh, now = (
        {cell.column: cell.generation_id for cell in one.cells if cell.row == "wrn-10-1"}
        for one in (former(), normalised(), plan)
    )
    # The other label-trained generation and its student do not descend from the stored one.
    assert now == {**before, "other": fresh["other"], "cwtm": fresh["cwtm"]}
    assert ids(plan, "wrn-16-1") == ids(normalised(), "wrn-16-1")


def test_what_is_wholly_stored_under_former_ids_is_planned_so(store: Store) -> None:
    publish(store, former(), *(f"{cell.row}/{cell.column}" for cell in former().cells))
    assert planned(SWEEP, store) == former()


def test_a_file_without_the_limit_finds_what_was_trained_with_it(store: Store) -> None:
    with_limit = SWEEP.replace("-0.0", "0.0")
    publish(store, former(with_limit), "wrn-10-1/teacher", "wrn-10-1/ban")
    plan = planned(with_limit.replace(", limit: 1437", ""), store)
    assert store.finished(plan.generations) == store.finished(former(with_limit).generations)
    assert len(store.finished(plan.generations)) == 2


def test_normalised_ids_are_preferred_where_as_much_is_stored_under_them(store: Store) -> None:
    publish(store, former(), "wrn-10-1/teacher")
    publish(store, normalised(), "wrn-10-1/teacher")
    assert planned(SWEEP, store) == normalised()
    publish(store, former(), "wrn-10-1/ban")
    assert set(planned(SWEEP, store).generations) & set(former().generations)


def test_progress_under_a_former_id_is_continued_under_it(store: Store) -> None:
    teacher = ids(former(), "wrn-10-1")[0]
    store.save_progress(teacher, Progress(1, b"", ()))
    assert ids(planned(SWEEP, store), "wrn-10-1")[0] == teacher
    # What is finished counts for more than what has begun.
    publish(store, normalised(), "wrn-10-1/ban")
    assert ids(planned(SWEEP, store), "wrn-10-1") == ids(normalised(), "wrn-10-1")


def test_two_former_generations_that_are_one_by_now_both_stay(store: Store, tmp_path: Path) -> None:
    """Columns that differ in the sign of a zero, and their students."""
    (tmp_path / "own.py").write_text("def loss(student, labels, teacher, *, weight):\n    return student\n")
    column = "{loss: {kind: python, code: own.py:loss, arguments: {weight: ZERO}}, teacher: teacher}"
    path = tmp_path / "sweep.yaml"
    path.write_text(
        f"""\
name: signs
data: {{kind: digits, limit: 1437}}
recipe: wide-resnet
networks: [wrn-10-1]
generations:
  teacher: {{loss: labels}}
  minus: {column.replace("ZERO", "-0.0")}
  plus: {column.replace("ZERO", "0.0")}
  of-minus: {{loss: kd, teacher: minus}}
  of-plus: {{loss: kd, teacher: plus}}
ensembles:
  both: [of-minus, of-plus]
"""
    )
    sweep = read_sweep(path)
    *_, before = expansions(sweep, [DataIdentity(**{**dict(data_identities(sweep.data)[0]), "limit": 1437})])
    assert (len(before.generations), len(expand(sweep, data_identities(sweep.data)[0]).generations)) == (5, 3)
    cells = {cell.column: cell.generation_id for cell in before.cells}

    def stored_plan() -> Plan:
        return as_stored(expansions(sweep, data_identities(sweep.data)), store)

    for column in ("teacher", "minus", "of-minus", "plus"):
        publish_made_up(store, before.generations[cells[column]])
    assert stored_plan() == before
    # Once every cell has a stored generation under ids without signs, these are preferred.
    publish_made_up(store, before.generations[cells["of-plus"]])
    plan = stored_plan()
    assert list(plan.generations) == [cells[column] for column in ("teacher", "plus", "of-plus")]
    assert store.finished(plan.generations) == plan.generations.keys()


def test_other_generations_in_the_store_change_nothing(store: Store) -> None:
    elsewhere = SWEEP.replace("wide-resnet, weight", "wide-resnet, epochs: 7, weight")
    publish(store, former(elsewhere), "wrn-10-1/teacher", "wrn-16-1/teacher")
    assert planned(SWEEP, store) == normalised()
