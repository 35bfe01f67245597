"""The version is written once, in bansweep/__init__.py; what has to repeat it says the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from bansweep import __version__

ROOT = Path(__file__).parent.parent
IMAGE = re.compile(r"\bbansweep:(\d[\w.]*)-(?:cpu|cuda)\b")
NAMES_AN_IMAGE = {"deploy/Dockerfile", "docs/kubernetes.md"}


def texts() -> dict[str, str]:
    """Every file that may name an image of bansweep, by its path."""
    folders = ("bansweep", "deploy", "docs")
    files = [*ROOT.glob("*.md"), *(file for folder in folders for file in (ROOT / folder).rglob("*"))]
    kinds = {".py", ".md", ".yaml", ".sh", ""}
    found = [file for file in files if file.is_file() and file.suffix in kinds]
    return {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in found}


def test_the_package_takes_it_from_the_code() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in settings["project"]
    assert settings["project"]["dynamic"] == ["version"]
    assert settings["tool"]["hatch"]["version"] == {"path": "bansweep/__init__.py"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_the_citation_says_it() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == __version__


def test_the_newest_changes_are_its_own() -> None:
    headings = re.findall(r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert headings[0] == __version__


@pytest.mark.parametrize(("overlay", "kind"), [("gpu", "cuda"), ("local-cpu", "cpu")])
def test_the_overlays_run_its_image(overlay: str, kind: str) -> None:
    text = (ROOT / "deploy" / "overlays" / overlay / "kustomization.yaml").read_text(encoding="utf-8")
    (image,) = yaml.safe_load(text)["images"]
    assert (image["name"], image["newTag"]) == ("bansweep", f"{__version__}-{kind}")


def test_every_image_that_is_named_is_of_it() -> None:
    versions = {name: set(IMAGE.findall(text)) for name, text in texts().items()}
    named = {name: found for name, found in versions.items() if found}
    assert set(named) >= NAMES_AN_IMAGE
    assert {name: found for name, found in named.items() if found != {__version__}} == {}
