"""The paper's networks against the figures of its tables, which stand elsewhere, too."""

from __future__ import annotations

import pytest

from bansweep.config.networks import network_from_name
from bansweep.config.paper_networks import PAPER_NETWORKS, PaperNetwork, paper_network
from bansweep.report.paper_figures import paper_figure


@pytest.mark.parametrize("entry", PAPER_NETWORKS, ids=lambda entry: f"table{entry.table}-{entry.name}")
def test_printed_sizes_are_those_of_the_papers_tables(entry: PaperNetwork) -> None:
    table, row = f"table{entry.table}", entry.name
    if entry.table == 4:
        # Of the teacher, table 4 prints another network's size.
        table, row = ("table1", "densenet-80-80") if row == "densenet-90-60" else (table, row.split("-")[-1])

    assert paper_figure(table, row, "params_M") == float(entry.printed)
    assert entry.printed_parameters == round(float(entry.printed) * 1e6)


def test_every_size_that_the_paper_prints_is_there_in_its_order() -> None:
    assert [entry.table for entry in PAPER_NETWORKS] == [1] * 8 + [4] * 8 + [5] * 7 + [6] * 2
    assert len({(entry.table, entry.name) for entry in PAPER_NETWORKS}) == 25


def test_the_papers_entry_of_a_network() -> None:
    densenet = network_from_name("densenet-90-60")

    first, fourth = paper_network(densenet), paper_network(densenet, 100)
    assert first is not None
    assert fourth is not None
    assert (first.table, fourth.table) == (1, 4)
    assert paper_network(densenet, 7) is None
    assert paper_network(network_from_name("densenet-40-12")) is None
    by_another_name = paper_network(network_from_name("ban-wide-resnet-2-1"))
    assert by_another_name is not None
    assert by_another_name.name == "ban-match-wide-resnet-2-1"
