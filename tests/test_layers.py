"""Who may import whom: the architecture, held by a test."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "bansweep"

# What each package may import of the others.
ALLOWED = {
    "errors": set(),
    "formatting": set(),
    "former_modules": set(),
    "import_path": set(),
    "regular_file": set(),
    "config": {"errors", "regular_file"},
    "graph": {"errors", "config"},
    "user_code": {"errors", "former_modules", "import_path", "config"},
    "losses": {"errors", "config", "user_code"},
    "networks": {"errors", "config", "user_code"},
    "data": {"errors", "regular_file", "config", "graph", "user_code"},
    "training": {"errors", "config", "graph", "user_code", "losses", "networks", "data"},
    "store": {"errors", "regular_file", "config", "graph"},
    "scheduling": {"errors", "config", "graph", "store"},
    "tracking": {"errors", "regular_file", "config", "graph"},
    "cluster": {"errors", "import_path", "config", "graph", "scheduling", "data", "training", "store"},
    "report": {"errors", "config", "graph", "store"},
    "compare": {"errors", "config", "graph", "store", "report"},
    "export": {"errors", "config", "graph", "networks", "data", "training", "store"},
    "jobs": {"errors"},
    "service": {
        *("errors", "regular_file", "config", "graph", "scheduling", "data", "training", "store", "tracking"),
        *("cluster", "report"),
    },
    "__main__": {"import_path", "cli"},
    "cli": {
        *("errors", "regular_file", "config", "graph", "scheduling", "networks", "data", "training", "store"),
        *("tracking", "cluster", "report", "compare", "export", "jobs", "service"),
    },
}
# What every package may import.
FOR_ALL = {"formatting"}
ONLY_IN = {
    "ray": {"cluster", "jobs"},
    "mlflow": {"tracking"},
    "yaml": {"config", "jobs"},
    "typer": {"cli"},
}
# The same subject twice: what a sweep file may say and what runs it, or a command and what it shows.
MIRRORED = {
    "data.py": ("cli/commands", "config"),
    "densenet.py": ("config", "networks"),
    "networks.py": ("cli/commands", "config"),
    "plan.py": ("cli/commands", "graph"),
    "residual_networks.py": ("config", "networks"),
    "user_code.py": (".", "config"),
}
MAX_LINES = 400


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


def test_no_module_is_too_long() -> None:
    long = {str(p.relative_to(PACKAGE)): n for p in modules() if (n := len(p.read_text().splitlines())) > MAX_LINES}
    assert not long


def test_a_name_repeats_only_where_one_module_mirrors_the_other() -> None:
    places: dict[str, list[str]] = {}
    for path in modules():
        places.setdefault(path.name, []).append(str(path.parent.relative_to(PACKAGE)))
    repeated = {name: tuple(sorted(found)) for name, found in places.items() if name != "__init__.py" and found[1:]}
    assert repeated == MIRRORED


def imported_at_once(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """Modules that are imported when a module is, those for type checking included."""
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            yield statement.module or ""
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)
        elif isinstance(statement, ast.If | ast.Try):
            yield from imported_at_once([*statement.body, *statement.orelse])


def test_modules_import_each_other_in_no_circle() -> None:
    names = {".".join(("bansweep", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in modules()}
    imports = {
        name: set(imported_at_once(ast.parse(path.read_text(encoding="utf-8")).body)) & names.keys()
        for name, path in names.items()
    }
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize(
    "arguments", [["--help"], ["check", "sweeps/quickstart.yaml"], ["plan", "sweeps/quickstart.yaml"]]
)
def test_light_commands_load_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys; from bansweep.cli.app import main; sys.argv = ['bansweep', *sys.argv[1:]]\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'ray', 'mlflow', 'numpy', 'pyarrow', 'sklearn', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, cwd=PACKAGE.parent, capture_output=True)
