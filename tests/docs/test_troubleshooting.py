"""Every message that docs/troubleshooting.md explains is one that the package really has."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GAP = "…"  # what differs each time
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^### (.+)$", PAGE, re.MULTILINE)
MESSAGES = [message for heading in HEADINGS for message in re.findall(r"`([^`]+)`", heading)]


def text_of(node: ast.expr) -> str | None:
    """A string as the source has it, with gaps for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(GAP if isinstance(part, ast.FormattedValue) else str(text_of(part)) for part in parts)
        case _:
            return None


@cache
def texts() -> tuple[str, ...]:
    """Every string in the package, with neighbouring gaps as one."""
    found = []
    for path in sorted((ROOT / "bansweep").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = text_of(node) if isinstance(node, ast.expr) else None
            if text is not None:
                found.append(re.sub(rf"{GAP}+", GAP, text))
    return tuple(found)


def stands_for(message: str) -> re.Pattern[str]:
    """A gap at either end stands for anything; one in the middle for a gap, or for the words that fill it."""
    parts = [re.escape(part) for part in message.strip(f"{GAP} ").split(GAP)]
    return re.compile(r"[^\n]{0,60}?".join(parts))


def test_the_page_has_messages() -> None:
    assert len(MESSAGES) >= 40
    assert len(set(MESSAGES)) == len(MESSAGES)


def test_every_entry_names_a_message() -> None:
    assert [heading for heading in HEADINGS if "`" not in heading] == []


@pytest.mark.parametrize("message", MESSAGES)
def test_the_package_has_the_message(message: str) -> None:
    pattern = stands_for(message)
    assert any(pattern.search(text) for text in texts()), f"no string in bansweep/ reads {message!r}"


def test_a_message_that_nobody_prints_is_found_out() -> None:
    pattern = stands_for("the loss became … in epoch …, stride …")
    assert not any(pattern.search(text) for text in texts())
