"""The pictures of the documentation can be read without colours, and without being seen."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
PICTURES = sorted((ROOT / "docs" / "pictures").glob("*.svg"))
OF_IDEAS = {path.stem for path in PICTURES if not path.stem.startswith("results-")}


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_grey_and_the_same_each_time(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    colours = set(re.findall(r"#([0-9a-f]{6})\b", re.sub(r"(href|url)[^\s>]*", "", text)))
    assert colours
    assert [colour for colour in colours if len({colour[0:2], colour[2:4], colour[4:6]}) > 1] == []
    assert "<dc:date>" not in text


def test_every_picture_is_drawn_by_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs" / "generators")
    import pictures

    assert set(pictures.PICTURES) == OF_IDEAS


def test_every_picture_is_shown_and_described() -> None:
    pages = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("ideas.md", "results.md"))
    shown = {name: description for description, name in re.findall(r"!\[([^\]]*)\]\(pictures/(.+?)\.svg\)", pages)}
    assert shown.keys() == {path.stem for path in PICTURES}
    assert all(len(description) > 60 for description in shown.values())
