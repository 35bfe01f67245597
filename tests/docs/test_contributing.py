"""What CONTRIBUTING.md shows of commits is in these commits."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXCERPTS = re.findall(r"^```diff ([0-9a-f]+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def added_lines(commit: str) -> set[str]:
    shown = subprocess.run(
        ["git", "show", "--format=", "--unified=0", commit], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if shown.returncode:
        pytest.skip(f"commit {commit} is not in this copy of the history")
    return set(shown.stdout.splitlines())


def test_there_is_an_excerpt_for_each_way() -> None:
    assert {"2a7a8ce", "8b8361d", "64830e2", "874b53f"} == {commit for commit, _ in EXCERPTS}


@pytest.mark.parametrize(("commit", "excerpt"), EXCERPTS, ids=[text.splitlines()[0].strip() for _, text in EXCERPTS])
def test_an_excerpt_is_of_its_commit(commit: str, excerpt: str) -> None:
    assert set(excerpt.splitlines()) <= added_lines(commit)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:bansweep|tests|docs)/[\w/]+(?:\.py|/))`", PAGE))))
def test_files_that_it_names_are_there(name: str) -> None:
    assert (ROOT / name).exists()
