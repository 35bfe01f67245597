"""Readers see at the top of a page, and beside every figure, what was computed and never measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNTRIED = ("H200", "GPU hour", "GPU time", "gpu_hours", "kubectl", "ray up ", "AWS_ACCESS_KEY_ID")


@pytest.fixture(autouse=True)
def _generators_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs" / "generators")


def markdown_pages() -> list[Path]:
    """All of the project's own, wherever they lie."""
    hidden = [path.name for path in ROOT.iterdir() if path.name.startswith(".") or path.name == "node_modules"]
    return [path for path in ROOT.rglob("*.md") if path.relative_to(ROOT).parts[0] not in hidden]


def test_pages_that_print_what_nobody_tried_say_so_at_the_top() -> None:
    from status import STATUS

    assert "computed, not measured" in STATUS
    found = {path for path in markdown_pages() if any(words in path.read_text("utf-8") for words in UNTRIED)}
    names = {path.relative_to(ROOT).as_posix() for path in found}
    assert names >= {"README.md", "docs/clusters.md", "docs/kubernetes.md", "docs/mlflow-server.md"}
    for path in [*found, ROOT / "benchmarks/README.md", ROOT / "docs/results.md"]:
        top = path.read_text("utf-8").partition("\n## ")[0]
        assert STATUS in top.splitlines(), f"{path} lacks the status line at its top"
        before = top.partition(STATUS)[0]
        assert not any(words in before for words in UNTRIED), f"{path} prints figures or commands above its status"


def test_the_status_has_one_wording() -> None:
    import status

    assert status.outdated() == {}, f"run {status.COMMAND}"
    lines = {line for path in markdown_pages() for line in path.read_text("utf-8").splitlines() if "**Status" in line}
    assert lines == {status.STATUS}


@pytest.mark.parametrize("former", ["> **Status: another.** Something else.\n\n", ""])
def test_the_generator_replaces_or_inserts_the_line(former: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import status

    monkeypatch.setattr(status, "STATUS", "> **Status: new.**")
    changed = status.with_status(f"# Title\n\n{former}Text.\n\n## Section\n")
    assert changed == "# Title\n\n> **Status: new.**\n\nText.\n\n## Section\n"
    assert status.with_status(changed) == changed


@pytest.mark.parametrize("file", sorted((ROOT / "sweeps").rglob("*.yaml")), ids=lambda path: path.stem)
def test_sweep_files_call_their_hours_computed(file: Path) -> None:
    hours = [line for line in file.read_text("utf-8").splitlines() if "H200" in line]
    assert [line for line in hours if "computed, not measured" not in line] == []
    assert hours or not file.stem.startswith("table"), "a table of the paper says what it costs"


@pytest.mark.parametrize("table", range(1, 6))
def test_the_readme_and_the_sweep_file_state_the_same_hours(table: int) -> None:
    header = re.search(
        r"(?:about|roughly) (\d+) hours of one H200", (ROOT / f"sweeps/table{table}.yaml").read_text("utf-8")
    )
    rows = (ROOT / "README.md").read_text("utf-8").partition("| H200 hours, computed |\n")[2]
    row = re.search(rf"^\| \[table{table}\].* (\d+) \|$", rows, re.MULTILINE)
    assert header is not None
    assert row is not None
    assert row[1] == header[1]
