"""The shell completes verbs and options, at once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "ray", "mlflow", "pyarrow", "numpy", "sklearn")
PROGRAM = f"""
import sys
from bansweep.cli.app import app
try:
    app(prog_name="bansweep")
finally:
    loaded = [name for name in {HEAVY!r} if name in sys.modules]
    assert not loaded, f"completion imported {{loaded}}"
"""


def completed(words: str) -> list[str]:
    """What bash is given for the last of the words."""
    environment = {
        **os.environ,
        "_BANSWEEP_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
    )
    assert "Error" not in process.stderr, process.stderr
    return process.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("bansweep che", {"check"}),
        ("bansweep st", {"status", "stop"}),
        ("bansweep run --re", {"--rehearse"}),
        ("bansweep report --format js", {"json"}),
    ],
)
def test_bash_completes(words: str, expected: set[str]) -> None:
    assert set(completed(words)) == expected
