"""Every file in sweeps/ is valid, plans, and says in its header how to run it; those of the paper hold its tables."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from bansweep.config.reading import read_sweep
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import Plan
from bansweep.report.paper_figures import paper_figure, paper_table

FOLDER = Path(__file__).parent.parent / "sweeps"
SWEEPS = sorted(FOLDER.rglob("*.yaml"))
VISION_TABLES = ("table1", "table2", "table3", "table4", "table5")
TABLES = (*VISION_TABLES, "table6")


# SHA-256 of each sweep's ids, a line each, in the order of its plan. Ids outlive versions: never change these.
IDS = {
    "cifar10-small": "b0074d19fe28aa7b",
    "cpu/cifar10": "5f01c0e9cf3956a0",
    "cpu/cifar100": "52b9fd9c1ad67fc9",
    "cpu/digits": "00cc590e4bbf2212",
    "cpu/ptb": "03bb8db695de2753",
    "digits-search": "ded927a79ec00f24",
    "ptb-small": "d1be7f1691a002f3",
    "quickstart": "deb7c5b98b08d649",
    "table1": "8196882561dedddf",
    "table2": "d1b320c1c9e4aa54",
    "table3": "7460ff9aa9ab8818",
    "table4": "0733245596d59253",
    "table5": "4c42f223daf3ee19",
    "table6": "5d90d57045c1b5a5",
}


def plan_of(name: str) -> Plan:
    sweep = read_sweep(FOLDER / f"{name}.yaml")
    return expand(sweep, DataIdentity(kind=sweep.data.kind, fingerprint="x"))


def test_there_are_sweeps() -> None:
    assert {"quickstart", "cifar10-small", "ptb-small", *TABLES} <= {path.stem for path in SWEEPS}


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.name)
def test_sweep_file(path: Path) -> None:
    sweep, within = read_sweep(path), path.relative_to(FOLDER)
    assert sweep.name == "-".join(within.with_suffix("").parts)
    assert plan_of(str(within.with_suffix(""))).generations
    assert f"bansweep run sweeps/{within}" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.name)
def test_its_ids_are_those_of_every_earlier_version(path: Path) -> None:
    name = str(path.relative_to(FOLDER).with_suffix(""))
    assert sha256("\n".join(plan_of(name).generations).encode()).hexdigest()[:16] == IDS[name]


def test_quickstart_has_seven_columns_and_six_generations() -> None:
    plan = plan_of("quickstart")
    assert plan.columns == ("teacher", "ban", "ban+l", "cwtm", "dkpp", "ban-2", "ens*2")
    assert len(plan.generations) == 6


@pytest.mark.parametrize(
    ("table", "generations"),
    [("table1", 16), ("table2", 31), ("table3", 12), ("table4", 8), ("table5", 14), ("table6", 4)],
)
def test_each_distinct_generation_of_a_table_is_trained_once(table: str, generations: int) -> None:
    assert len(plan_of(table).generations) == generations


@pytest.mark.parametrize(
    ("name", "generations"), [("cpu/cifar10", 54), ("cpu/cifar100", 54), ("cpu/digits", 72), ("cpu/ptb", 15)]
)
def test_a_cpu_sweep_says_how_many_generations_it_has(name: str, generations: int) -> None:
    assert len(plan_of(name).generations) == generations
    assert f"# {generations} generations, " in (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", VISION_TABLES)
def test_every_figure_of_a_table_has_its_cell(table: str) -> None:
    plan = plan_of(table)
    places = {(cell.row, cell.column) for cell in (*plan.cells, *plan.ensembles)}
    printed = paper_table(table)
    figures = {
        (row, column): paper_figure(table, row, column)
        for row in printed.rows
        for column in printed.columns
        if column != "params_M"
    }
    assert {place for place, figure in figures.items() if figure is not None} <= places
    # What the paper left out is left out.
    assert not places & {place for place, figure in figures.items() if figure is None}


@pytest.mark.parametrize("table", TABLES)
def test_a_header_prints_the_papers_figures_and_what_they_cost(table: str) -> None:
    header = (FOLDER / f"{table}.yaml").read_text(encoding="utf-8").split("\nname:")[0]
    printed = paper_table(table)
    for row, figures in printed.rows.items():
        for column, figure in zip(printed.columns, figures, strict=True):
            if figure is not None and column != "params_M":
                assert f"{figure:.2f}" in header, (row, column)
    assert f"{len(plan_of(table).generations)} generations" in header
    assert f"bansweep run sweeps/{table}.yaml --rehearse" in header


def test_densenet_90_60_is_one_teacher_for_tables_2_4_and_5() -> None:
    def teacher(table: str, row: str) -> str:
        cells = plan_of(table).cells
        (cell,) = (cell for cell in cells if (cell.row, cell.column) == (row, "teacher"))
        return cell.generation_id

    shared = teacher("table2", "densenet-90-60")
    for table in ("table4", "table5"):
        plan = plan_of(table)
        students = [generation for generation in plan.generations.values() if generation.teacher is not None]
        assert {generation.teacher for generation in students} == {shared}
    assert teacher("table4", "depth*2") == teacher("table5", "ban-wide-resnet-1-1") == shared
