"""What a user may name on the command line, and what is said of a name that means nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from demo_sweep import ids_of, plan_of

from bansweep.cli.reference import GenerationId, SweepCell, WholeSweep, parse_reference, planned_cell
from bansweep.errors import RequestError


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("4e268e59506dc5ed", GenerationId("4e268e59506dc5ed")),
        ("4e26", GenerationId("4e26")),
        ("sweeps/a.yaml", WholeSweep(Path("sweeps/a.yaml"))),
        ("a.yaml:wrn-10-1/ban", SweepCell(Path("a.yaml"), "wrn-10-1", "ban", None)),
        ("b/a.yaml:wrn-10-1/ens*2@3", SweepCell(Path("b/a.yaml"), "wrn-10-1", "ens*2", 3)),
        (
            "C:/x/a.yaml:wrn-28-10-dropout0.3/ban+l",
            SweepCell(Path("C:/x/a.yaml"), "wrn-28-10-dropout0.3", "ban+l", None),
        ),
        ("a.yaml:nonsense", WholeSweep(Path("a.yaml:nonsense"))),
    ],
)
def test_what_is_meant(text: str, meant: object) -> None:
    assert parse_reference(text) == meant


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("beef").touch()
    assert parse_reference("beef") == WholeSweep(Path("beef"))


def test_cells_are_found(sweep_file: Path) -> None:
    plan = plan_of(sweep_file)
    cell = planned_cell(plan, SweepCell(sweep_file, "wrn-10-1", "ban", None))
    assert cell.generation_id == ids_of(plan)["ban"]
    several = plan_of(sweep_file, "seeds=[3, 4]")
    assert planned_cell(several, SweepCell(sweep_file, "wrn-10-1", "ban", 4)).replica_seed == 4


@pytest.mark.parametrize(
    ("row", "column", "seed", "message"),
    [
        ("wrn-10-2", "ban", None, "no row 'wrn-10-2'; did you mean 'wrn-10-1'?"),
        ("wrn-10-1", "nonsense", None, "no column 'nonsense'; known: ban, ban-2, cwtm, ens*2, teacher"),
        ("wrn-10-1", "cwtm", None, "this row skips that column"),
        ("wrn-10-1", "ban", None, "one for each of the seeds 3, 4\n  say which: wrn-10-1/ban@3"),
        ("wrn-10-1", "ban", 5, "no seed 5; the sweep has 3, 4"),
        ("wrn-10-1", "ens*2", None, "is an ensemble, not a generation"),
    ],
)
def test_what_is_no_generation_is_explained(
    row: str, column: str, seed: int | None, message: str, sweep_file: Path
) -> None:
    plan = plan_of(sweep_file, "seeds=[3, 4]", "networks=[wrn-10-1, wrn-16-1]", "generations.cwtm.skip=[wrn-10-1]")
    with pytest.raises(RequestError) as refused:
        planned_cell(plan, SweepCell(sweep_file, row, column, seed))
    assert message in str(refused.value)


def test_an_ensembles_members_are_named(sweep_file: Path) -> None:
    plan = plan_of(sweep_file)
    with pytest.raises(RequestError) as refused:
        planned_cell(plan, SweepCell(sweep_file, "wrn-10-1", "ens*2", None))
    assert f"seed 0: {ids_of(plan)['ban']} {ids_of(plan)['ban-2']}" in refused.value.remedy
