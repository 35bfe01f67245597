"""`--only`: the cells asked for, and all that they rest on."""

from __future__ import annotations

import pytest

from bansweep.config.reading import parse_sweep
from bansweep.errors import RequestError
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import select

PLAN = expand(
    parse_sweep("""\
name: demo
data: digits
recipe: wide-resnet
networks: [wrn-10-1, wrn-16-1]
generations:
  teacher: {loss: labels}
  ban: {loss: kd, teacher: teacher}
  ban-2: {loss: kd, teacher: ban}
  cwtm: {loss: cwtm, teacher: teacher}
ensembles: {"ens*2": [ban, ban-2]}
"""),
    DataIdentity(kind="digits", fingerprint="x"),
)


def columns(*patterns: str) -> set[tuple[str, str]]:
    return {(cell.row, cell.column) for cell in select(PLAN, patterns).cells}


def test_no_pattern_is_everything() -> None:
    assert select(PLAN, []) is PLAN


def test_a_column_brings_its_ancestors() -> None:
    rows = ("wrn-10-1", "wrn-16-1")
    assert columns("ban-2") == {(row, column) for row in rows for column in ("teacher", "ban", "ban-2")}


def test_a_row_and_a_pair() -> None:
    assert columns("wrn-10-1") == {("wrn-10-1", c) for c in ("teacher", "ban", "ban-2", "cwtm")}
    assert columns("wrn-16-1/cwtm") == {("wrn-16-1", c) for c in ("teacher", "cwtm")}


def test_an_ensemble_is_named_as_it_stands() -> None:
    selected = select(PLAN, ["wrn-10-1/ens*2"])
    assert [cell.column for cell in selected.ensembles] == ["ens*2"]
    assert {cell.column for cell in selected.cells} == {"teacher", "ban", "ban-2"}
    assert selected.columns == ("teacher", "ban", "ban-2", "ens*2")


def test_nothing_matches() -> None:
    with pytest.raises(RequestError, match="rows: wrn-10-1, wrn-16-1"):
        select(PLAN, ["densenet-*"])
