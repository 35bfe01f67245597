"""`bansweep networks`: sizes of the paper's networks, and of any other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from demo_sweep import Command, ended
from typer.testing import CliRunner, Result

from bansweep.cli.app import app
from bansweep.config.paper_networks import PAPER_NETWORKS


def invoke(*arguments: str, width: int = 200) -> Result:
    return CliRunner().invoke(app, ["networks", *arguments], env={"COLUMNS": str(width)})


def sizes(*arguments: str) -> list[dict[str, Any]]:
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    document: list[dict[str, Any]] = json.loads(result.stdout)
    return document


def test_without_names_it_lists_the_papers_networks_each_with_its_classes() -> None:
    listed = sizes()

    assert [(one["name"], one["paper_table"], one["classes"]) for one in listed] == [
        (one.name, one.table, one.classes) for one in PAPER_NETWORKS
    ]
    by_name = {one["name"]: one for one in reversed(listed)}
    assert by_name["wrn-28-10"]["parameters"] == 36_536_884, "as published for 100 classes"
    assert by_name["wrn-28-10"]["paper_parameters"] == 36_000_000
    assert by_name["wrn-28-10"]["agreement"] == "cut off"
    assert by_name["densenet-90-60"]["classes"] == 10, "table 1's"
    assert by_name["densenet-90-60"]["parameters_as_paper_counts"] == by_name["densenet-90-60"]["parameters"]
    wide = by_name["ban-wide-resnet-4-1"]
    assert wide["parameters"] - wide["parameters_as_paper_counts"] == 9 * 3 * 120 + 751 * 100
    assert "87.35 M without first and last layer" in wide["remark"]


def test_any_network_by_name() -> None:
    (own,) = sizes("wrn-10-1", "--classes", "7", "--image", "8")

    stages = 64 * 2 * 9 * 16 * 16 + 16 * (9 * 16 * 32 + 9 * 32 * 32 + 16 * 32) + 4 * (9 * 32 * 64 + 9 * 64 * 64 + 2048)
    assert own == {
        "name": "wrn-10-1",
        "network": "wrn-10-1",
        "classes": 7,
        "parameters": own["parameters"],
        "operations": 64 * 27 * 16 + stages + 64 * 7,
        "paper_parameters": None,
        "paper_table": None,
        "parameters_as_paper_counts": None,
        "agreement": None,
        "remark": "",
    }


def test_the_papers_size_holds_for_its_classes_only() -> None:
    table_1, table_4 = sizes("densenet-90-60")[0], sizes("densenet-90-60", "--classes", "100")[0]
    neither = sizes("densenet-90-60", "--classes", "7")[0]

    assert (table_1["classes"], table_1["paper_parameters"]) == (10, 16_100_000)
    assert (table_4["paper_table"], table_4["paper_parameters"]) == (4, 22_400_000)
    assert table_4["agreement"] == "differs"
    assert neither["paper_parameters"] is None
    assert neither["remark"] == "the paper's 16.1 M is with 10 classes"


def test_language_models_are_counted_with_words_for_classes_and_a_token_for_an_image() -> None:
    paper, small, few = *sizes("lstm", "lstm-20-1"), *sizes("lstm", "--classes", "50")

    layer = 4 * 1500 * (1500 + 1500)
    assert (paper["classes"], small["classes"], few["classes"]) == (10_000, 10_000, 50)
    assert paper["parameters"] == 10_000 * 1500 + 10_000 + 2 * (layer + 2 * 4 * 1500)
    assert paper["operations"] == 2 * layer + 1500 * 10_000
    assert small["operations"] == 4 * 20 * (20 + 20) + 20 * 10_000
    assert (paper["paper_table"], paper["paper_parameters"], paper["agreement"]) == (6, 52_000_000, "differs")
    assert few["remark"] == "the paper's 52 M is with 10000 classes"


def test_the_character_network_has_the_size_that_penn_tree_bank_gives_it() -> None:
    (size,) = sizes("cnn-lstm")

    assert size["parameters"] == 19_373_165, "with the 10,000 words of the training text itself, in 46 + 2 characters"
    assert (size["paper_parameters"], size["agreement"]) == (19_000_000, "close")


def test_the_largest_networks_are_counted_without_memory_for_their_weights() -> None:
    largest, characters = sizes("lstm-65536-64", "cnn-lstm-65536-64-highway64")

    words = 10_000 * 65_536
    layers = 64 * 4 * 65_536 * (65_536 + 65_536)
    assert largest["parameters"] == words + 10_000 + layers + 64 * 2 * 4 * 65_536
    assert largest["operations"] == layers + words
    first = 4 * 65_536 * (50 + 100 + 150 + 4 * 200 + 65_536)
    assert characters["operations"] > words + first + 63 * layers // 64
    assert "2.20 T" in invoke("lstm-65536-64").stdout


def test_remarks_stand_beside_the_figures_or_below_them() -> None:
    wide, narrow = invoke("wrn-28-10", "densenet-112-33"), invoke("wrn-28-10", "densenet-112-33", width=75)

    (line,) = (line for line in wide.stdout.splitlines() if line.startswith("wrn-28-10"))
    assert line.split(maxsplit=8)[1:8] == ["100", "36.54", "M", "5.24", "G", "36", "M"]
    assert line.rstrip().endswith("the paper cuts 36.5 off to 36")
    assert "is densenet-106-33-standard" in wide.stdout
    assert "\nwrn-28-10, 100 classes: the paper cuts 36.5 off to 36" in narrow.stdout
    assert "…" not in narrow.stdout


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["wnr-28-10", "wrn-25-1"], ["did you mean 'wrn-28-10'?", "22 and 28 are"]),
        (["wrn-10-1", "--image", "4"], ["wrn-10-1 cannot take images of 4x4 pixels", "8x8"]),
    ],
)
def test_bad_requests_are_one_message(arguments: list[str], messages: list[str], start: Command) -> None:
    out, err = ended(start("networks", *arguments), 2)

    assert all(message in err for message in messages)
    assert "Traceback" not in err
    assert out == ""


@pytest.mark.parametrize("classes", ["0", "1000001", "1" + "0" * 30])
def test_a_number_of_classes_is_positive_and_of_this_world(classes: str) -> None:
    result = invoke("wrn-10-1", "--classes", classes)

    assert result.exit_code == 2
    assert "--classes" in result.output
