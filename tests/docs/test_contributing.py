"""CONTRIBUTING.md names every file that a new loss, network or optimizer touches, and so on, and only real ones."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
# By heading: what the section says to follow.
WAYS = {
    "Add a loss": {"ActivationsLoss"},
    "Add a network": {"PreResNet"},
    "Add an optimizer": {"build_optimizer", "build_language_optimizer"},
    "Add a data source": {"PennTreebank", "Cifar"},
    "Add a command": {"diff"},
}


def section(heading: str) -> str:
    (text,) = re.findall(rf"^### {heading}\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


def rows(heading: str) -> Iterator[tuple[str, list[str]]]:
    """The file of each row of the section's table, and the parts of it that the row names."""
    for file, parts in re.findall(r"^\| `([^`]+)` \|([^|]*)\|[^|]+\|$", section(heading), re.MULTILINE):
        yield file, re.findall(r"`(\w+)`", parts)


def top_level_names(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return names


def is_written_in(name: str, file: Path) -> bool:
    """Whether the module defines, imports or uses something of this name."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case (
                ast.Name(id=found)
                | ast.Attribute(attr=found)
                | ast.alias(name=found)
                | ast.FunctionDef(name=found)
                | ast.ClassDef(name=found)
            ) if found == name:
                return True
    return False


@pytest.mark.parametrize(("heading", "examples"), WAYS.items(), ids=list(WAYS))
def test_a_way_names_every_file_that_its_example_is_written_in(heading: str, examples: set[str]) -> None:
    followed = section(heading).partition("\n| file")[0]
    assert set(re.findall(r"`(\w+)`", followed)) >= examples
    modules = sorted((ROOT / "bansweep").rglob("*.py"))
    written_in = {
        str(file.relative_to(ROOT)) for file in modules if any(is_written_in(name, file) for name in examples)
    }
    assert len(written_in) >= 2
    assert written_in - {file for file, _ in rows(heading)} == set()


@pytest.mark.parametrize("heading", WAYS)
def test_parts_that_a_way_names_are_in_their_files(heading: str) -> None:
    named = [(file, part) for file, parts in rows(heading) for part in parts]
    assert len(named) >= 3
    assert [one for one in named if one[1] not in top_level_names(ROOT / one[0])] == []


def test_every_row_of_a_table_is_read() -> None:
    lines = [line for heading in WAYS for line in section(heading).splitlines() if line.startswith("| `")]
    assert len(lines) == sum(len(list(rows(heading))) for heading in WAYS)


def test_files_that_it_names_are_there() -> None:
    names = set(re.findall(r"`((?:bansweep|tests|docs)/[\w/]+(?:\.py|/))`", PAGE))
    assert len(names) > 20
    assert [name for name in sorted(names) if not (ROOT / name).exists()] == []
