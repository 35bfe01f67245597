"""Cells: places, figures over seeds, and what is not there."""

from __future__ import annotations

import dataclasses
import math
import statistics
from typing import Any

import pytest

from bansweep.errors import RequestError, StoreError
from bansweep.graph.plan import Plan, select
from bansweep.report.cells import ReportCell, cells, sample_deviation
from bansweep.report.paper_figures import paper_table


def at(found: tuple[ReportCell, ...], row: str, column: str) -> ReportCell:
    (cell,) = [cell for cell in found if (cell.row, cell.column) == (row, column)]
    return cell


def test_cells_stand_in_the_sweeps_order_without_skipped_ones(plan: Plan, empty: Any) -> None:
    found = cells(plan, empty, paper=None)
    assert [(cell.row, cell.column, cell.kind) for cell in found] == [
        ("densenet-80-80", "teacher", "generation"),
        ("densenet-80-80", "ban", "generation"),
        ("densenet-80-80", "ban-2", "generation"),
        ("densenet-80-80", "ens*2", "ensemble"),
        ("densenet-80-120", "teacher", "generation"),
        ("densenet-80-120", "ban", "generation"),
        ("densenet-80-120", "ens*2", "ensemble"),
    ]


def test_nothing_finished(plan: Plan, empty: Any) -> None:
    for cell in cells(plan, empty, paper="table2"):
        assert cell.values == (None, None, None)
        assert (cell.mean, cell.sd, cell.finished) == (None, None, 0)
    assert at(cells(plan, empty, paper="table2"), "densenet-80-80", "ban").paper == 16.36


def test_values_follow_the_sweeps_seeds(plan: Plan, memory: Any) -> None:
    ban = at(cells(plan, memory, paper=None), "densenet-80-80", "ban")
    assert ban.values == (17.0, 17.1, 16.3)
    assert ban.mean == pytest.approx(16.8)
    assert ban.sd == pytest.approx(statistics.stdev([17.0, 17.1, 16.3]))
    # By hand: deviations 0.2, 0.3, -0.5; (0.04 + 0.09 + 0.25) / 2 = 0.19.
    assert ban.sd == pytest.approx(0.19**0.5)


def test_an_unfinished_seed_is_none_and_left_out_of_the_mean(plan: Plan, memory: Any) -> None:
    found = cells(plan, memory, paper=None)
    partial = at(found, "densenet-80-80", "ban-2")
    assert partial.values == (16.5, 16.4, None)
    assert partial.mean == pytest.approx(16.45)
    assert partial.sd == pytest.approx(statistics.stdev([16.5, 16.4]))
    assert partial.finished == 2
    single = at(found, "densenet-80-120", "teacher")
    assert (single.values, single.mean, single.sd) == ((16.875, None, None), 16.875, None)


def test_an_ensemble_waits_for_all_its_members(plan: Plan, memory: Any) -> None:
    # Every member says 0, 1, 0, 0 where 0, 1, 2, 1 is right.
    found = cells(plan, memory, paper=None)
    assert at(found, "densenet-80-80", "ens*2").values == (50.0, 50.0, None)
    assert at(found, "densenet-80-120", "ens*2").values == (None, None, None)


def test_a_row_may_have_members_of_its_own(plan: Plan, memory: Any) -> None:
    memory.put("densenet-80-120", "ban", 3, 16.0, predicted=(0, 1, 2, 0))
    # teacher is right throughout and as sure as ban, which errs once: a tie, that the lower class wins.
    assert at(cells(plan, memory, paper=None), "densenet-80-120", "ens*2").values == (25.0, None, None)


def test_members_of_different_images_are_refused(plan: Plan, memory: Any) -> None:
    member = memory.id_at("densenet-80-80", "ban-2", 3)
    memory.stored[member] = dataclasses.replace(memory.stored[member], labels_N=memory.stored[member].labels_N[::-1])
    with pytest.raises(StoreError, match=member):
        cells(plan, memory, paper=None)


def test_papers_figures_stand_beside_their_cells(plan: Plan, memory: Any) -> None:
    found = cells(plan, memory, paper="table2")
    assert [cell.paper for cell in found] == [17.16, 16.36, 16.30, 15.46, 16.87, 16.00, 15.13]
    assert {cell.paper for cell in cells(plan, memory, paper=None)} == {None}


def test_the_difference_is_the_mean_minus_the_papers_figure(plan: Plan, memory: Any) -> None:
    found = cells(plan, memory, paper="table2")
    # By hand: (18.0 + 17.5 + 17.0) / 3 - 17.16; 16.8 - 16.36; over the two finished seeds 16.45 - 16.30; 50 - 15.46.
    assert [cell.difference for cell in found[:4]] == pytest.approx([0.34, 0.44, 0.15, 34.54])
    assert [cell.difference for cell in found[4:]] == [pytest.approx(16.875 - 16.87), None, None]
    assert {cell.difference for cell in cells(plan, memory, paper=None)} == {None}


def test_a_rehearsal_is_compared_with_nothing(plan: Plan, memory: Any) -> None:
    rehearsed = cells(plan, memory, paper="table2", rehearsal=True)
    assert {cell.difference for cell in rehearsed} == {None}
    whole = cells(plan, memory, paper="table2")
    assert rehearsed == tuple(dataclasses.replace(cell, rehearsal=True) for cell in whole)


@pytest.mark.parametrize(("column", "paper"), [("ban_test", "table6"), ("ban", "table2")])
def test_figures_of_another_metric_are_not_compared(plan: Plan, memory: Any, column: str, paper: str) -> None:
    row = next(iter(paper_table(paper).rows))
    renamed = dataclasses.replace(
        plan,
        rows=(row,),
        columns=(column,),
        cells=(dataclasses.replace(plan.cells[0], row=row, column=column),),
        ensembles=(),
    )
    (cell,) = cells(renamed, memory, paper=paper)
    assert cell.mean == 18.0
    assert cell.paper == (16.95 if paper == "table2" else None)


def test_an_unknown_table_is_a_wrong_request(plan: Plan, memory: Any) -> None:
    with pytest.raises(RequestError):
        cells(plan, memory, paper="table7")


def test_a_record_without_test_error_names_its_generation(plan: Plan, memory: Any) -> None:
    generation_id = memory.id_at("densenet-80-80", "ban", 1)
    memory.records[generation_id] = dataclasses.replace(memory.records[generation_id], metrics={"perplexity": 70.0})
    with pytest.raises(StoreError, match=generation_id) as caught:
        cells(plan, memory, paper=None)
    assert "densenet-80-80 / ban (seed 1)" in caught.value.cause


def test_a_selection_shows_its_part(plan: Plan, memory: Any) -> None:
    found = cells(select(plan, ["densenet-80-80/ban"]), memory, paper=None)
    assert [(cell.row, cell.column) for cell in found] == [("densenet-80-80", "teacher"), ("densenet-80-80", "ban")]


def test_no_spread_of_a_single_value() -> None:
    assert sample_deviation([1.0, None]) is None
    assert sample_deviation([]) is None
    assert sample_deviation([1.0, None, 3.0]) == pytest.approx(2**0.5)
    assert sample_deviation([1.0, math.inf]) is None
