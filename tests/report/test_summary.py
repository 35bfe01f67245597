"""Student minus teacher, and minus baseline: paired by seed, with the column that really teaches."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from bansweep.config.reading import parse_sweep
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import Plan
from bansweep.report.cells import cells
from bansweep.report.paired_differences import baseline_differences, student_differences


def test_differences_by_hand(plan: Plan, memory: Any) -> None:
    ban, ban_2, other = student_differences(plan, cells(plan, memory, paper=None))
    assert (ban.row, ban.column, ban.reference) == ("densenet-80-80", "ban", "teacher")
    assert ban.paired.values == pytest.approx((-1.0, -0.4, -0.7))
    assert ban.paired.mean == pytest.approx(-0.7)
    assert ban.paired.sd == pytest.approx(statistics.stdev([-1.0, -0.4, -0.7]))
    assert (ban_2.column, ban_2.reference) == ("ban-2", "ban")
    assert ban_2.paired.values[:2] == pytest.approx((-0.5, -0.7))
    assert ban_2.paired.values[2] is None
    # ban has no result in densenet-80-120, so there is nothing to compare.
    assert (other.row, other.column, other.reference) == ("densenet-80-120", "ban", "teacher")
    assert other.paired.values == (None, None, None)


def test_only_students_of_students_have_a_baseline_of_their_own(plan: Plan, memory: Any) -> None:
    # Of the seeds 3, 1 and 2 the last lacks ban-2: 16.5 - 18.0 and 16.4 - 17.5.
    (ban_2,) = baseline_differences(plan, cells(plan, memory, paper=None))
    assert (ban_2.row, ban_2.column, ban_2.reference) == ("densenet-80-80", "ban-2", "teacher")
    assert ban_2.paired.values[:2] == pytest.approx((-1.5, -1.1))
    assert ban_2.paired.values[2] is None


def test_the_baseline_is_where_the_chain_began(empty: Any) -> None:
    sweep = parse_sweep(
        """
        name: chains
        data: digits
        recipe: wide-resnet
        networks: [wrn-10-1]
        generations:
          teacher: {loss: labels}
          large: {loss: labels, network: wrn-16-1}
          a-1: {loss: kd, teacher: teacher}
          a-2: {loss: kd, teacher: a-1}
          a-3: {loss: kd, teacher: a-2}
          b-1: {loss: kd, teacher: large}
          b-2: {loss: kd+labels, teacher: b-1}
        """
    )
    plan = expand(sweep, DataIdentity(kind="digits", fingerprint="f"))
    memory = type(empty)(plan)
    for number, column in enumerate(plan.columns):
        memory.put("wrn-10-1", column, 0, 2.0**number)
    differences = baseline_differences(plan, cells(plan, memory, paper=None))
    assert [(one.column, one.reference, one.paired.mean) for one in differences] == [
        ("a-2", "teacher", 8.0 - 1.0),
        ("a-3", "teacher", 16.0 - 1.0),
        ("b-2", "large", 64.0 - 2.0),
    ]


def test_the_mean_difference_is_the_difference_of_means(plan: Plan, memory: Any) -> None:
    found = cells(plan, memory, paper=None)
    means = {(cell.row, cell.column): cell.mean for cell in found if cell.mean is not None}
    ban = student_differences(plan, found)[0]
    assert ban.paired.mean == pytest.approx(means["densenet-80-80", "ban"] - means["densenet-80-80", "teacher"])


def test_a_teacher_of_several_names_has_the_one_that_holds_in_every_row(empty: Any) -> None:
    # In wrn-10-1 the columns `small` and `teacher` are one generation, in wrn-16-1 they are not; `small` teaches.
    sweep = parse_sweep(
        """
        name: names
        data: digits
        recipe: wide-resnet
        networks: [wrn-10-1, wrn-16-1]
        generations:
          teacher: {loss: labels}
          small: {loss: labels, network: wrn-10-1}
          student: {loss: kd, teacher: small}
        """
    )
    plan = expand(sweep, DataIdentity(kind="digits", fingerprint="f"))
    memory = type(empty)(plan)
    memory.put("wrn-10-1", "small", 0, 10.0)
    memory.put("wrn-16-1", "teacher", 0, 5.0)
    memory.put("wrn-10-1", "student", 0, 9.0)
    memory.put("wrn-16-1", "student", 0, 8.0)
    differences = student_differences(plan, cells(plan, memory, paper=None))
    assert [(d.row, d.column, d.reference, d.paired.mean) for d in differences] == [
        ("wrn-10-1", "student", "small", -1.0),
        ("wrn-16-1", "student", "small", -2.0),
    ]


def test_no_students_no_differences(plan: Plan, memory: Any) -> None:
    only_teachers = [cell for cell in cells(plan, memory, paper=None) if cell.column in ("teacher", "ens*2")]
    assert student_differences(plan, only_teachers) == ()
    assert baseline_differences(plan, only_teachers) == ()
