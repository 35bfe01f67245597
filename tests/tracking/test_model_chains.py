"""Which chains a sweep has, and which generation of each is the best."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from bansweep.graph.generation import Generation
from bansweep.graph.plan import Cell, Plan, PlannedChain
from bansweep.tracking.model_chains import ModelChain, best_of, chains_of


def grown(sweep: Any, *columns: tuple[str, str], row: str = "small", seed: int = 0) -> tuple[Plan, dict[str, str]]:
    """The plan with generations for `columns` (name, teacher's column) of a row and replica; all ids by column."""
    plan = sweep.plan
    ids = {"teacher": sweep.teacher_id, "ban": sweep.student_id}
    generations, cells = dict(plan.generations), list(plan.cells[:2])
    for number, (column, teacher) in enumerate(columns):
        student = plan.generations[sweep.student_id].model_dump()
        one = Generation.model_validate({**student, "seed": 100 * seed + number, "teacher": ids[teacher]})
        ids[column] = one.id
        generations[one.id] = one
        cells.append(Cell(row, column, seed, one.id))
    return replace(plan, sweep="s", generations=generations, cells=tuple(cells)), ids


def test_a_chain_is_a_student_with_its_descendants_and_its_teacher(sweep: Any) -> None:
    plan, ids = grown(sweep, ("ban-2", "ban"), ("dkpp", "teacher"), ("ban-2b", "ban"), ("ban-3", "ban-2"))

    chains = {chain.model: chain.members for chain in chains_of(plan)}

    assert chains == {
        "s.small.ban": tuple(ids[one] for one in ("teacher", "ban", "ban-2", "ban-2b", "ban-3")),
        "s.small.dkpp": (ids["teacher"], ids["dkpp"]),
    }


def test_a_part_of_the_sweep_has_its_chains_under_the_same_names(sweep: Any) -> None:
    plan, ids = grown(sweep, ("ban-2", "ban"), ("dkpp", "teacher"))
    part = plan.part([cell for cell in plan.cells if cell.column == "ban"], [])

    assert [(chain.model, chain.members) for chain in chains_of(part)] == [
        ("s.small.ban", (ids["teacher"], ids["ban"]))
    ]


def test_students_of_another_rows_teacher_are_a_chain_without_it(sweep: Any) -> None:
    plan, ids = grown(sweep, ("ban-of-ban", "ban"), row="other")

    assert [chain.members for chain in chains_of(plan)] == [(ids["teacher"], ids["ban"]), (ids["ban-of-ban"],)]


def test_replicas_have_models_of_their_own(sweep: Any) -> None:
    plan, _ = grown(sweep, ("ban", "teacher"), seed=3)

    assert [chain.model for chain in chains_of(plan)] == ["s.small.ban.seed-0", "s.small.ban.seed-3"]


def test_chains_of_the_sweep_file_keep_their_name_and_metric(sweep: Any) -> None:
    plan, ids = grown(sweep, ("ban-2", "ban"), ("dkpp", "teacher"))
    members = (ids["ban"], ids["ban-2"])
    planned = PlannedChain(
        "b/a:n", "small", 0, ids["teacher"], ("ban", "ban-2"), members, None, None, "validation_error"
    )

    named, other = chains_of(replace(plan, chains=(planned,)))

    assert named == ModelChain("b/a:n", "s.small.b-a-n", (ids["teacher"], *members), "validation_error")
    assert (other.name, other.metric) == ("dkpp", None)


def test_labels_alone_make_no_chain(sweep: Any) -> None:
    plan = sweep.plan.part(list(sweep.plan.cells[:1]), [])

    assert chains_of(plan) == ()


CHAIN = ModelChain("ban", "s.small.ban", ("a", "b", "c"), None)


@pytest.mark.parametrize(
    ("metrics", "best"),
    [
        ({"a": {"test_error": 5.0}, "b": {"test_error": 4.0}, "c": {"test_error": 4.0}}, ("b", "test_error", 4.0)),
        ({"a": {"test_error": 3.0}, "b": {"test_error": 4.0}}, ("a", "test_error", 3.0)),
        # What was chosen by the test set is no fair figure of it.
        (
            {one: {"test_error": test, "validation_error": 9 - test} for one, test in (("a", 3.0), ("b", 4.0))},
            ("b", "validation_error", 5.0),
        ),
        ({"a": {"test_error": 5.0, "validation_error": 1.0}, "b": {"test_error": 4.0}}, ("b", "test_error", 4.0)),
        ({"b": {"test_error": nan}, "c": {"test_error": 90.0}}, ("c", "test_error", 90.0)),
    ],
)
def test_the_best_has_the_lowest_figure(metrics: dict[str, dict[str, float]], best: tuple[str, str, float]) -> None:
    found = best_of(CHAIN, metrics)

    assert found is not None
    assert (found.generation_id, found.metric, found.value) == best
    assert found.chosen_from == tuple(metrics)


@pytest.mark.parametrize("metrics", [{}, {"x": {"test_error": 1.0}}, {"a": {"train_loss": 1.0}}])
def test_nothing_to_compare_is_no_best(metrics: dict[str, dict[str, float]]) -> None:
    assert best_of(CHAIN, metrics) is None
