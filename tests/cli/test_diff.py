"""`bansweep diff` of sweeps and of generations."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from demo_sweep import SWEEP, ids_of, plan_of
from made_up_generation import damage, publish_made_up
from typer.testing import CliRunner, Result

from bansweep.cli.app import app
from bansweep.cli.generation_diff import difference_text
from bansweep.cli.tables import PlainTable, lines_of
from bansweep.compare.differences import ABSENT, Difference
from bansweep.errors import RequestError
from bansweep.graph.plan import Plan
from bansweep.store.store import Store

ROOT = Path(__file__).parent.parent.parent


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def document(*arguments: object) -> dict:
    result = invoke("diff", *arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


def publish(store: Store, plan: Plan, errors: dict[tuple[str, int], float]) -> None:
    for cell in plan.cells:
        error = errors.get((cell.column, cell.replica_seed))
        if error is not None:
            label = plan.label(cell.generation_id)
            generation = plan.generations[cell.generation_id]
            publish_made_up(store, generation, label=label, metrics={"test_error": error, "learning_rate": 0.5})


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other.yaml"
    path.write_text(SWEEP.replace("name: demo", "name: other").replace("epochs: 4", "epochs: 5"))
    return path


def test_a_sweep_is_the_same_as_itself(sweep_file: Path, tmp_path: Path) -> None:
    lines = invoke("diff", sweep_file, sweep_file, "--store", tmp_path / "none").stdout.splitlines()
    assert "spec: the same" in lines
    assert "generations: the same in all 4 cells" in lines
    assert lines[-1] == "results: nothing of either is finished"
    found = document(sweep_file, sweep_file, "--store", tmp_path / "none")
    assert found["same"]
    assert found["spec"] == []


def test_what_differs_in_two_sweeps_is_named(sweep_file: Path, other: Path, tmp_path: Path) -> None:
    found = document(sweep_file, other, "--store", tmp_path / "none")
    assert found["spec"] == [
        {"path": "name", "left": "demo", "right": "other"},
        {"path": "recipe.epochs", "left": 4, "right": 5},
    ]
    causes = {one["column"]: one["taught_differently"] for one in found["generations"]["different"]}
    assert causes == {"teacher": False, "ban": True, "cwtm": True, "ban-2": True}
    assert found["results"] is None
    text = invoke("diff", sweep_file, other, "--store", tmp_path / "none").stdout
    assert "  recipe.epochs 4 → 5; another teacher\n    wrn-10-1 / ban, cwtm, ban-2\n" in text


def test_results_are_side_by_side(sweep_file: Path, other: Path, tmp_path: Path) -> None:
    seeds = "seeds=[0, 1]"
    publish(Store(tmp_path / "a"), plan_of(sweep_file, seeds), {("ban", 0): 10.0, ("ban", 1): 12.0, ("cwtm", 0): 9.0})
    publish(Store(tmp_path / "b"), plan_of(other, seeds), {("ban", 0): 9.0, ("ban", 1): 11.5})
    stores = ("--store", tmp_path / "a", "--other-store", tmp_path / "b", "--set", seeds)
    found = document(sweep_file, other, *stores)["results"]
    assert found["metric"] == "test_error"
    ban = next(cell for cell in found["cells"] if cell["column"] == "ban")
    assert (ban["left"]["mean"], ban["right"]["mean"], ban["difference"]) == (11.0, 10.25, -0.75)
    assert ban["paired"]["values"] == [-1.0, -0.5]
    # -0.75 ± t(0.975; 1) * sd / sqrt(2), where sd / sqrt(2) = 0.25, and t = 12.7062 from a printed table.
    assert ban["paired"]["interval"] == pytest.approx([-0.75 - 12.7062 / 4, -0.75 + 12.7062 / 4], abs=1e-4)
    lines = invoke("diff", sweep_file, other, *stores).stdout.splitlines()
    (row,) = (line for line in lines if line.startswith("  wrn-10-1  ban "))
    assert " ".join(row.split()) == "wrn-10-1 ban 11.00 ± 1.41 10.25 ± 1.77 -0.75 -3.93 … +2.43 within seed noise"
    (row,) = (line for line in lines if line.startswith("  wrn-10-1  cwtm "))
    assert " ".join(row.split()) == "wrn-10-1 cwtm 9.00 (1 of 2) - - - not finished"


def test_overrides_may_be_of_one_side(sweep_file: Path, tmp_path: Path) -> None:
    found = document(
        *(sweep_file, sweep_file, "--store", tmp_path / "none"),
        *("--set", "recipe.epochs=7", "--other-set", "recipe.batch_size=16"),
    )
    assert found["spec"] == [{"path": "recipe.batch_size", "left": 32, "right": 16}]


def test_damage_costs_a_sweep_its_figures_only(sweep_file: Path, tmp_path: Path) -> None:
    plan, store = plan_of(sweep_file), Store(tmp_path / "store")
    publish(store, plan, {("teacher", 0): 5.0, ("ban", 0): 6.0})
    damage(store.directory / "generations" / ids_of(plan)["ban"] / "generation.json")
    found = document(sweep_file, sweep_file, "--store", store.directory)["results"]
    values = {cell["column"]: cell["left"]["values"] for cell in found["cells"]}
    assert values == {"teacher": [5.0], "ban": [None], "cwtm": [None], "ban-2": [None], "ens*2": [None]}
    assert len(found["damaged"]) == 1
    assert "damaged: " in invoke("diff", sweep_file, sweep_file, "--store", store.directory).stdout


def test_missing_data_leave_the_files_to_compare(sweep_file: Path, tmp_path: Path) -> None:
    nowhere = f"data={{kind: folder, root: {tmp_path / 'nowhere'}}}"
    arguments = (sweep_file, sweep_file, "--store", tmp_path / "none", "--other-set", nowhere)
    found = document(*arguments)
    assert {one["path"] for one in found["spec"]} == {"data.kind", "data.limit", "data.test_limit", "data.root"}
    assert found["generations"] is None
    assert "nowhere" in found["right"]["missing_data"]
    assert "generations: not compared, since the data" in invoke("diff", *arguments).stdout


def test_two_generations(sweep_file: Path, other: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    plans = plan_of(sweep_file), plan_of(other)
    publish(store, plans[0], {("teacher", 0): 7.0, ("ban", 0): 10.0})
    publish(store, plans[1], {("teacher", 0): 7.0, ("ban", 0): 9.5})
    left, right = (ids_of(plan)["ban"] for plan in plans)
    expected = [
        {"path": "recipe.epochs", "left": 4, "right": 5},
        {"path": "teacher.recipe.epochs", "left": 4, "right": 5},
    ]
    for names in ((left[:6], right), (f"{sweep_file}:wrn-10-1/ban", f"{other}:wrn-10-1/ban@0")):
        found = document(*names, "--store", store.directory)
        assert (found["left"]["id"], found["right"]["id"]) == (left, right)
        assert found["spec"] == expected
        assert {"name": "test_error", "left": 10.0, "right": 9.5, "difference": -0.5} in found["metrics"]
    lines = invoke("diff", left, right, "--store", store.directory).stdout.splitlines()
    assert lines[:4] == [
        f"A  wrn-10-1 / ban ({left}), finished",
        f"B  wrn-10-1 / ban ({right}), finished",
        "",
        "spec: 2 differences, each of which gives another id",
    ]
    assert any(line.split() == ["test", "error", "10.00", "%", "9.50", "%", "-0.50"] for line in lines)
    assert not any("learning rate" in line for line in lines)


def test_a_generation_that_is_not_finished_has_a_spec(sweep_file: Path, tmp_path: Path) -> None:
    names = (f"{sweep_file}:wrn-10-1/ban", f"{sweep_file}:wrn-10-1/cwtm")
    lines = invoke("diff", *names, "--store", tmp_path / "none").stdout.splitlines()
    assert lines[0].endswith("not finished")
    assert lines[-1] == "results: neither is finished"
    assert document(names[0], names[0], "--store", tmp_path / "none")["same"]
    assert "spec: the same generation" in invoke("diff", names[0], names[0], "--store", tmp_path / "none").stdout


def test_a_sweep_and_a_generation_are_not_compared(sweep_file: Path) -> None:
    result = invoke("diff", sweep_file, f"{sweep_file}:wrn-10-1/ban")
    assert isinstance(result.exception, RequestError)
    assert "is a whole sweep" in str(result.exception)


def test_the_files_are_compared_without_anything_heavy(tmp_path: Path) -> None:
    script = (
        "import sys; from bansweep.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'ray', 'mlflow', 'numpy', 'pyarrow', 'sklearn', 'pandas', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    arguments = ["diff", "sweeps/table1.yaml", "sweeps/table2.yaml", "--store", str(tmp_path / "none")]
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, cwd=ROOT, capture_output=True)


def test_a_plain_table_is_aligned_and_whole() -> None:
    long = "x" * 300
    table = PlainTable(("name", "n"), [("a", "1.00"), (long, "12.00")], frozenset({1}))
    assert lines_of(table) == [
        f"  {'name':<300}      n",
        f"  {'a':<300}   1.00",
        f"  {long}  12.00",
    ]


def test_numbers_are_rounded_unless_that_hides_their_difference() -> None:
    def text(left: float | str, right: float | str) -> str:
        return difference_text(Difference(("recipe", "learning_rate"), left, right))

    assert text(0.1, 300.0) == "recipe.learning_rate 0.1 → 300"
    assert text(0.031234567, 0.05) == "recipe.learning_rate 0.03123 → 0.05"
    assert text(0.031234567, 0.031234568) == "recipe.learning_rate 0.031234567 → 0.031234568"
    assert text("1", 1) == 'recipe.learning_rate "1" → 1'
    assert difference_text(Difference(("loss",), "-", ABSENT)) == 'loss "-" → -'
