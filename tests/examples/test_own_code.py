"""The example of a loss, a network and a data set of one's own: it is checked, planned, tried and trained."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from demo_sweep import Command, ended

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "own_code"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "mine", ignore=shutil.ignore_patterns("__pycache__")))


def change(folder: Path, old: str, new: str) -> int:
    """Change what stands once in own.py; returns its line."""
    text = (folder / "own.py").read_text(encoding="utf-8")
    assert text.count(old) == 1
    (folder / "own.py").write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def test_the_functions_can_be_tried_without_a_sweep() -> None:
    tried = subprocess.run([sys.executable, EXAMPLE / "own.py"], check=True, capture_output=True, text=True)
    assert tried.stdout.startswith("tensor(")


def test_checking_and_planning_run_nothing_of_it(folder: Path, start: Command) -> None:
    change(folder, "import numpy as np\n", "import numpy as np\nopen('has run', 'w')\n")
    out, _ = ended(start("check", folder / "own.yaml"))
    assert out == f"{folder / 'own.yaml'}: ok\n"
    out, _ = ended(start("plan", folder / "own.yaml", "--store", folder / "store"))
    assert "estimated: unknown" in out
    assert not Path("has run").exists()
    line = change(folder, "labels_B: Tensor, *, penalty", "*, penalty")
    _, told = ended(start("check", folder / "own.yaml"), 2)
    assert told == (
        f"{folder / 'own.yaml'}:14: generations.confident.loss: own.py, line {line - 1}: confident takes 2 positional "
        "arguments; it is given 3: student_logits_BC, teacher_logits_BC, labels_B\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "return match_B + penalty * entropy_B",
            "return (match_B + penalty * entropi_B)",
            "NameError: name 'entropi_B'",
        ),
        (
            "nn.ReLU(), nn.Linear(hidden, classes)",
            "nn.ReLU()",
            "has to return a module that gives logits of shape (2, 8)",
        ),
        ('"train_labels": labels[tested:]', '"train_labels": labels', "returned train_labels of type int64"),
    ],
)
def test_what_fails_is_told_before_anything_starts(folder: Path, start: Command, old: str, new: str, said: str) -> None:
    change(folder, old, new)
    out, told = ended(start("run", folder / "own.yaml", "--store", folder / "store"), 2)
    assert out == ""
    assert said in told
    assert "own.py" in told
    assert "starting" not in told
    assert not list((folder / "store").glob("generations/*"))


@pytest.mark.ray
def test_it_trains_where_its_file_is_not(folder: Path, start: Command) -> None:
    store = folder / "store"
    changes = ("--set", "recipe.epochs=2", "--set", "data.limit=96", "--set", "resources.concurrency=1", "--json")
    report = json.loads(ended(start("run", folder / "own.yaml", "--store", store, *changes))[0])
    assert len(report["trained"]) == 6
    assert all(cell["mean"] is not None for cell in report["cells"])
    # The command's folder is another one, and the trials' as well: the text is all that they were given.
    records = [json.loads(path.read_text()) for path in store.glob("generations/*/generation.json")]
    text = (folder / "own.py").read_text(encoding="utf-8")
    networks = [one["generation"]["network"] for one in records]
    assert [one["code"]["text"] for one in networks if one["kind"] == "python"] == [text] * 3
    assert report["failed"] == []
