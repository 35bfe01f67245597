"""Why ids differ: what is said of a pair of generations holds for their ids, which know nothing of it."""

from __future__ import annotations

from itertools import islice

import pytest
from demo_sweep import SWEEP

from bansweep.compare.differences import ABSENT, Difference
from bansweep.compare.generations import compare_plans, generation_differences
from bansweep.config.reading import parse_sweep
from bansweep.data.fingerprint import data_identity
from bansweep.graph.expand import expand
from bansweep.graph.plan import Plan


def plan_with(*overrides: str) -> Plan:
    sweep = parse_sweep(SWEEP, overrides)
    return expand(sweep, data_identity(sweep.data))


CHANGES = [
    (),
    ("recipe.epochs=5",),
    ("generations.ban.loss=kd+labels",),
    ("generations.teacher.seed=7",),
    ("generations.ban-2.teacher=teacher",),
    ("networks.0={name: wrn-10-1, network: wrn-16-1}",),
    ("data.limit=250",),
    ("resources.precision=bf16",),
    ("data.validation=100", "select.epoch=best"),
    # what no id depends on
    ("resources.workers=1",),
    ("name=other",),
]


@pytest.mark.parametrize("overrides", CHANGES, ids=lambda overrides: " ".join(overrides) or "nothing")
def test_what_differs_is_what_gives_another_id(overrides: tuple[str, ...]) -> None:
    left, right = plan_with(), plan_with(*overrides)
    compared = compare_plans(left, right)
    assert compared.pairs
    for pair in compared.pairs:
        assert pair.same == (not pair.own and not pair.taught_differently)
        found = list(
            generation_differences(
                left.generations[pair.left.generation_id],
                right.generations[pair.right.generation_id],
                left.generations,
                right.generations,
            )
        )
        assert pair.same == (not found)


def test_a_changed_student_changes_those_that_it_teaches() -> None:
    compared = compare_plans(plan_with(), plan_with("generations.ban.loss={kind: kd, temperature: 2}"))
    assert {pair.left.column for pair in compared.same} == {"teacher", "cwtm"}
    own = {pair.left.column: pair.own for pair in compared.different}
    assert own == {"ban": (Difference(("loss", "temperature"), 1.0, 2.0),), "ban-2": ()}
    assert {pair.left.column: pair.taught_differently for pair in compared.different} == {"ban": False, "ban-2": True}


def test_differences_go_back_through_the_teachers() -> None:
    left, right = plan_with(), plan_with("generations.teacher.loss={kind: labels, smoothing: 0.1}")
    (pair,) = (pair for pair in compare_plans(left, right).pairs if pair.left.column == "ban-2")
    first, second = left.generations[pair.left.generation_id], right.generations[pair.right.generation_id]
    found = list(generation_differences(first, second, left.generations, right.generations))
    assert found == [Difference(("teacher", "teacher", "loss", "smoothing"), 0.0, 0.1)]
    # Of ancestors that nobody knows, the ids are all there is to say.
    assert list(generation_differences(first, second, {}, {})) == [
        Difference(("teacher",), first.teacher, second.teacher)
    ]


def test_cells_of_one_side_are_listed() -> None:
    compared = compare_plans(plan_with(), plan_with("networks=[wrn-10-1, wrn-16-1]", "seeds=[0, 1]"))
    assert len(compared.same) == len(compared.pairs) == 4
    assert not compared.only_left
    assert {(cell.row, cell.replica_seed) for cell in compared.only_right} == {
        ("wrn-10-1", 1),
        ("wrn-16-1", 0),
        ("wrn-16-1", 1),
    }


def test_a_teacher_that_one_side_lacks_is_a_difference() -> None:
    plan = plan_with()
    teacher, student = (next(c for c in plan.cells if c.column == name) for name in ("teacher", "ban"))
    found = list(
        generation_differences(plan.generations[teacher.generation_id], plan.generations[student.generation_id], {}, {})
    )
    assert Difference(("teacher",), None, teacher.generation_id) in found
    assert Difference(("loss", "smoothing"), 0.0, ABSENT) in found


def test_generations_that_descend_from_themselves_are_compared_once() -> None:
    plans = plan_with(), plan_with("recipe.epochs=5")
    circles = []
    for plan in plans:
        [ban] = (cell.generation_id for cell in plan.cells if cell.column == "ban")
        circles.append((plan.generations[ban].model_copy(update={"teacher": f"{ban[:15]}x"}), f"{ban[:15]}x"))
    (left, left_teacher), (right, right_teacher) = circles
    found = list(islice(generation_differences(left, right, {left_teacher: left}, {right_teacher: right}), 100))
    assert found == [
        Difference(("recipe", "epochs"), 4, 5),
        Difference(("teacher", "recipe", "epochs"), 4, 5),
    ]
