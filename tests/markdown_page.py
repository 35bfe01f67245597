"""What of a Markdown page its links are about: targets, and the anchors that GitHub gives it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
_OWN_ANCHOR = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")


@dataclass(frozen=True)
class MarkdownPage:
    """A page and where it lies."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> MarkdownPage:
        return cls(path, path.read_text(encoding="utf-8"))

    @property
    def links(self) -> list[str]:
        """Targets of all links and pictures, in order; what is set as code is no link."""
        return _LINK.findall(_CODE.sub("", _FENCE.sub("", self.text)))

    @property
    def anchors(self) -> set[str]:
        """Of headings, as GitHub makes them (the second of equal ones ends with -1), and those set by hand."""
        prose = _FENCE.sub("", self.text)
        found: set[str] = set(_OWN_ANCHOR.findall(prose))
        taken: dict[str, int] = {}
        for heading in _HEADING.findall(prose):
            anchor = _slug(heading)
            number = taken.get(anchor, 0)
            taken[anchor] = number + 1
            found.add(f"{anchor}-{number}" if number else anchor)
        return found


def _slug(heading: str) -> str:
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
