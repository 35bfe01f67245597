"""Writes the status line at the top of README.md and of every page that prints GPU hours, budgets or cluster commands.

::

    python docs/generators/status.py           write the pages whose line is missing or outdated
    python docs/generators/status.py --check   write nothing; exit status 1 where a page is outdated

Change `STATUS` here once bansweep has run on a GPU, a Kubernetes cluster or AWS, then run this script. references.py
and results.py take the line for their pages from here.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

STATUS = (
    "> **Status: computed, not measured.** GPU hours and GPU costs are computed from operation counts. bansweep has "
    "never run on a GPU, on a real Kubernetes cluster or on AWS."
)
COMMAND = "python docs/generators/status.py"
ROOT = Path(__file__).parents[2]

# Pages that speak of GPUs without the words below.
_ALWAYS = ("README.md", "benchmarks/README.md", "docs/results.md")
_UNTRIED = re.compile(r"H200|GPU[ -](?:hour|minute)|gpu_hours|kubectl|\bray up\b|\bAWS_[A-Z]")
_LINE = re.compile(r"^> \*\*Status:.*\n\n?", re.MULTILINE)
_TITLE = re.compile(r"\A# .*\n\n")


def pages() -> list[Path]:
    """Every page of the project that needs the line."""
    folders = ("docs", "deploy", "sweeps", "examples", "results")
    found = [*ROOT.glob("*.md"), *(path for folder in folders for path in (ROOT / folder).rglob("*.md"))]
    names = {path.relative_to(ROOT).as_posix() for path in found if _UNTRIED.search(path.read_text(encoding="utf-8"))}
    return [ROOT / name for name in sorted({*names, *_ALWAYS})]


def with_status(text: str) -> str:
    """A page with the current line, where its former line was or below its title."""
    if _LINE.search(text):
        first, *others = _LINE.split(text)
        return f"{first}{STATUS}\n\n{''.join(others)}"
    return _TITLE.sub(lambda title: f"{title[0]}{STATUS}\n\n", text)


def outdated() -> dict[Path, str]:
    """The pages whose line is missing or outdated, with the text that they should have."""
    texts = {path: path.read_text(encoding="utf-8") for path in pages()}
    return {path: wanted for path, text in texts.items() if (wanted := with_status(text)) != text}


def main() -> int:
    found = outdated()
    if "--check" in sys.argv[1:]:
        for path in found:
            print(f"{path} is not up to date; {COMMAND} writes it")
        return int(bool(found))
    for path, text in found.items():
        path.write_text(text, encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
