"""What lies in the working directory is neither imported by a command nor by what it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from demo_sweep import TINY, Command, ended

import bansweep
from bansweep.import_path import installed_entries

WITH_OWN_LOSS = TINY.replace("{loss: labels}", "{loss: {kind: python, code: own.py:loss}}")

# Imported early, late, by the driver and by trials. Each would end the process that imports it.
SHADOWING = (
    "typer",
    "pathlib",
    "random",
    "yaml",
    "numpy",
    "torch",
    "torchvision",
    "ray",
    "pandas",
    "bansweep_neighbour",
)

NEIGHBOUR = """\
import bansweep_neighbour


def loss(student_logits_BC, teacher_logits_BC, labels_B):
    return bansweep_neighbour.loss(student_logits_BC, labels_B)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a file for each of the names."""
    folder = tmp_path / "working"
    folder.mkdir()
    for name in SHADOWING:
        (folder / f"{name}.py").write_text(f"raise RuntimeError('{name}.py of the working directory')\n")
    (folder / "sweep.yaml").write_text(TINY)
    monkeypatch.chdir(folder)
    return folder


# A path that another variable was to be put in front of, which is not set, begins with an empty entry.
@pytest.mark.parametrize("path", [None, ":", ".:/nowhere", "FOLDER"])
def test_a_command_imports_nothing_from_the_working_directory(
    start: Command, folder: Path, environment: dict[str, str], path: str | None
) -> None:
    shown = (path or "").replace("FOLDER", str(folder))
    env = {} if path is None else {"PYTHONPATH": f"{shown}:{environment.get('PYTHONPATH', '')}"}
    _, err = ended(start("plan", "sweep.yaml", "--store", folder / "store", env=env))
    assert "working directory" not in err


@pytest.mark.ray
@pytest.mark.parametrize(
    "workers",
    [pytest.param(0, id="trial's process"), pytest.param(1, id="worker group", marks=pytest.mark.slow)],
)
def test_trials_and_workers_import_nothing_from_the_working_directory(
    start: Command, folder: Path, environment: dict[str, str], workers: int
) -> None:
    options = ["--store", folder / "store", "--set", f"resources.workers={workers}"]
    env = {"PYTHONPATH": f":{folder}:{environment.get('PYTHONPATH', '')}"}
    _, err = ended(start("run", "sweep.yaml", *options, env=env))
    assert "1 trained" in err


def test_user_code_that_imports_its_neighbour_is_refused_before_anything_starts(
    start: Command, folder: Path, environment: dict[str, str]
) -> None:
    (folder / "own.py").write_text(NEIGHBOUR)
    (folder / "sweep.yaml").write_text(WITH_OWN_LOSS)
    env = {"PYTHONPATH": environment.get("PYTHONPATH", "")}
    _, err = ended(start("run", "sweep.yaml", "--store", folder / "store", env=env), status=2)
    assert "own.py, line 1, in <module>: ModuleNotFoundError: No module named 'bansweep_neighbour'" in err
    assert "install it" in err


FROM_PYTHON = """\
import os, sys
import bansweep, ray
IMPORTS

if CONNECTED:
    ray.init("local", num_cpus=1, include_dashboard=False)
path, environment = list(sys.path), dict(os.environ)
try:
    print("trained", len(bansweep.run(bansweep.load_sweep("sweep.yaml"), store="store").trained))
except bansweep.BansweepError as error:
    print(error)
assert sys.path == path
changed = dict(set(os.environ.items()) ^ set(environment.items()))
assert not [name for name in changed if name.startswith(("RAY_", "TUNE_", "PYTHONPATH"))], changed
import bansweep_neighbour
"""


def from_python(folder: Path, environment: dict[str, str], *, imports: str = "", connected: bool = False) -> str:
    """What a script in `folder` prints that runs sweep.yaml, beside a module that it can import itself."""
    (folder / "bansweep_neighbour.py").write_text("def loss(logits, labels):\n    return logits.logsumexp(1)\n")
    (folder / "script.py").write_text(FROM_PYTHON.replace("IMPORTS", imports).replace("CONNECTED", str(connected)))
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# The last one makes the data set in the caller's own process, whose copy every trial then reads.
DATA = """\
import numpy as np


def images():
    import bansweep_neighbour

    images_NHWC = np.zeros((32, 8, 8), np.uint8)
    labels_N = np.arange(32) % 2
    return {
        "train_images": images_NHWC, "test_images": images_NHWC, "train_labels": labels_N, "test_labels": labels_N
    }
"""


@pytest.mark.parametrize(
    "imports", ["", "import bansweep_neighbour"], ids=["not yet imported", "imported by the script"]
)
@pytest.mark.parametrize("kind", ["loss", "data"])
def test_user_code_finds_no_neighbour_in_the_callers_process(
    tmp_path: Path, environment: dict[str, str], kind: str, imports: str
) -> None:
    """The script can import its neighbour. Code that the sweep file names cannot: no id would show a change of it."""
    (tmp_path / "own.py").write_text(NEIGHBOUR if kind == "loss" else DATA)
    own_data = TINY.replace("{kind: digits, limit: 32, test_limit: 16}", "{kind: python, code: own.py:images}")
    (tmp_path / "sweep.yaml").write_text(WITH_OWN_LOSS if kind == "loss" else own_data)
    assert "No module named 'bansweep_neighbour'" in from_python(tmp_path, environment, imports=imports)


IN_A_TRIAL = """\
import sys


def loss(student_logits_BC, teacher_logits_BC, labels_B):
    if "default_worker" in sys.argv[0] and {folder!r} in sys.path:
        raise RuntimeError("the caller's folder was handed on")
    return student_logits_BC.logsumexp(1)
"""


@pytest.mark.ray
@pytest.mark.parametrize(
    "connected",
    [pytest.param(False, id="own cluster"), pytest.param(True, id="caller's connection", marks=pytest.mark.slow)],
)
def test_the_api_leaves_the_callers_path_alone_and_keeps_it_from_trials(
    tmp_path: Path, environment: dict[str, str], connected: bool
) -> None:
    (tmp_path / "own.py").write_text(IN_A_TRIAL.format(folder=str(tmp_path)))
    (tmp_path / "sweep.yaml").write_text(WITH_OWN_LOSS)
    assert "trained 1" in from_python(tmp_path, environment, connected=connected)


def test_only_absolute_entries_stay_but_not_the_working_directory(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert installed_entries(f":/a:.:b:/c/:{folder}:{tmp_path / 'link'}:{folder}/below") == f"/a:/c/:{folder}/below"
    assert installed_entries("") == ""


def test_the_folder_of_an_uninstalled_checkout_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(bansweep.__file__).parents[1]
    monkeypatch.chdir(root)
    assert installed_entries(f"{root}:.") == str(root)


def test_with_safe_path_nothing_is_removed(environment: dict[str, str]) -> None:
    """Python has put no working directory there; the first entry is another one."""
    script = "import sys; from bansweep.import_path import leave_working_directory as leave; before = sys.path[:]; "
    script += "leave(started_as_module=True); assert sys.path == before, sys.path"
    subprocess.run([sys.executable, "-P", "-c", script], check=True, env=environment)
