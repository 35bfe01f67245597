""".ci/run, in a project of its own whose programs are small scripts: which checks it runs, and when it fails."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHECKS = ["tests", "lint", "format", "types", "generated", "package"]
README = "# A project\n\n<!-- test command -->\n```sh\n{command}\n```\n\n```sh\necho another command\n```\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose test command prints `tested`, and whose programs print their arguments and succeed."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / "README.md").write_text(README.format(command="echo tested"))
    for name in ("ruff", "mypy", "python"):
        write_program(tmp_path, name)
    return tmp_path


def write_program(project: Path, name: str, *, fails_at: str = "no such argument") -> None:
    program = project / ".venv" / "bin" / name
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f'#!/bin/sh\necho "{name} $*"\ncase "$*" in *"{fails_at}"*) exit 3;; esac\n')
    program.chmod(0o755)


def run(project: Path, *checks: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([project / ".ci" / "run", *checks], capture_output=True, text=True, check=False)


def test_ci_runs_the_readmes_test_command_and_it_runs_pytest() -> None:
    command = (ROOT / "README.md").read_text(encoding="utf-8").split("<!-- test command -->")[1].split("```")[1]
    assert "-m pytest" in command
    # Without `-e '.[dev]'` the other checks would have no programs.
    assert "-c constraints.txt -e '.[dev]'" in command


def test_what_passes(project: Path) -> None:
    ended = run(project, "tests", "lint", "format", "types", "generated")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        *("== tests", "tested"),
        *("== lint", "ruff check"),
        *("== format", "ruff format --check"),
        *("== types", "mypy "),
        "== generated",
        *(f"python docs/generators/{name}.py --check" for name in ("references", "status", "results")),
        "passed",
    ]


def test_a_name_that_is_no_check_is_refused_before_any_check(project: Path) -> None:
    ended = run(project, "lint", "nonsense")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"no check nonsense; there are: {' '.join(CHECKS)}\n"


def test_a_missing_environment_is_named(project: Path) -> None:
    shutil.rmtree(project / ".venv")
    ended = run(project, "lint", "types")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "CONTRIBUTING.md" in ended.stderr


@pytest.mark.parametrize(
    ("check", "program", "argument"),
    [
        ("lint", "ruff", "check"),
        ("format", "ruff", "format --check"),
        ("types", "mypy", ""),
        ("generated", "python", "references"),
        ("generated", "python", "status"),
        ("generated", "python", "results"),
    ],
)
def test_a_check_that_fails_is_named_after_all_have_run(project: Path, check: str, program: str, argument: str) -> None:
    write_program(project, program, fails_at=argument)
    checks = ["lint", "format", "types", "generated"] if check != "lint" else ["lint", "types"]
    ended = run(project, *checks)
    assert ended.returncode == 1
    assert ended.stderr == f"failed: {check}\n"
    assert [line for line in ended.stdout.splitlines() if line.startswith("==")] == [f"== {one}" for one in checks]


@pytest.mark.parametrize("command", ["false", "false\necho afterwards", "false | cat", "echo $UNSET"])
def test_a_test_command_that_fails(project: Path, command: str) -> None:
    (project / "README.md").write_text(README.format(command=command))
    ended = run(project, "tests", "lint")
    assert ended.returncode == 1
    assert ended.stderr.endswith("failed: tests\n")
    assert "afterwards" not in ended.stdout


def test_a_readme_without_a_test_command(project: Path) -> None:
    (project / "README.md").write_text("# A project\n")
    ended = run(project, "tests")
    assert (ended.returncode, ended.stderr) == (1, "README.md names no test command\nfailed: tests\n")


def test_without_names_all_run(project: Path) -> None:
    # The package cannot be built by programs that only print, so this check fails; and last.
    ended = run(project)
    assert ended.returncode == 1
    assert ended.stderr.endswith("failed: package\n")
    assert [line.removeprefix("== ") for line in ended.stdout.splitlines() if line.startswith("== ")] == CHECKS
