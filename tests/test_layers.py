"""Who may import whom: the architecture, held by a test."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "bansweep"

# What each package may import of the others.
ALLOWED = {
    "errors": set(),
    "formatting": set(),
    "import_path": set(),
    "regular_file": set(),
    "spec": {"errors", "regular_file"},
    "plan": {"errors", "spec"},
    "own_code": {"errors", "import_path", "spec"},
    "losses": {"errors", "spec", "own_code"},
    "networks": {"errors", "spec", "own_code"},
    "data": {"errors", "regular_file", "spec", "plan", "own_code"},
    "training": {"errors", "spec", "plan", "own_code", "losses", "networks", "data"},
    "store": {"errors", "regular_file", "spec", "plan"},
    "tracking": {"errors", "regular_file", "spec", "plan"},
    "cluster": {"errors", "import_path", "spec", "plan", "data", "training", "store"},
    "report": {"errors", "spec", "plan", "store"},
    "compare": {"errors", "spec", "plan", "store", "report"},
    "export": {"errors", "spec", "plan", "networks", "data", "training", "store"},
    "deployment": {"errors"},
    "service": {"errors", "regular_file", "spec", "plan", "data", "training", "store", "tracking", "cluster", "report"},
    "api": {"errors", "spec", "plan", "store", "report", "service"},
    "__main__": {"import_path", "cli"},
    "cli": {
        *("errors", "regular_file", "spec", "plan", "networks", "data", "training", "store", "tracking"),
        *("cluster", "report", "compare", "export", "deployment", "service"),
    },
}
# What every package may import.
FOR_ALL = {"formatting"}
ONLY_IN = {"ray": {"cluster"}, "mlflow": {"tracking"}, "yaml": {"spec", "deployment"}, "typer": {"cli"}}


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_layers(path: Path) -> None:
    package = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in imports_of(path):
        top, *rest = name.split(".")
        if top == "bansweep" and rest:
            assert rest[0] in {package} | ALLOWED[package] | FOR_ALL, f"{package} must not import {name}"
        elif top in ONLY_IN:
            assert package in ONLY_IN[top], f"{top} belongs into {'/, '.join(sorted(ONLY_IN[top]))}/"


def test_every_package_has_its_rule() -> None:
    assert set(ALLOWED) == {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in modules()}


def test_modules_are_one_idea_each() -> None:
    long = {str(p.relative_to(PACKAGE)): n for p in modules() if (n := len(p.read_text().splitlines())) > 400}
    assert not long


@pytest.mark.parametrize(
    "arguments", [["--help"], ["check", "sweeps/quickstart.yaml"], ["plan", "sweeps/quickstart.yaml"]]
)
def test_light_verbs_load_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys; from bansweep.cli.app import main; sys.argv = ['bansweep', *sys.argv[1:]]\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'ray', 'mlflow', 'numpy', 'pyarrow', 'sklearn', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, cwd=PACKAGE.parent, capture_output=True)
