"""Links of the documentation lead somewhere, and every page can be found by following them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_page import MarkdownPage

ROOT = Path(__file__).parents[2]
FIRST = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md")
PATHS = [ROOT / name for name in FIRST] + sorted((ROOT / "docs").rglob("*.md"))
PAGES = {path: MarkdownPage.read(path) for path in PATHS}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def targets(page: MarkdownPage) -> list[tuple[str, Path, str]]:
    """Links within the project: as written, the file that is meant, and the anchor or ''."""
    found = []
    for link in page.links:
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        file = (page.path.parent / unquote(name)).resolve() if name else page.path
        found.append((link, file, anchor))
    return found


@pytest.mark.parametrize("path", PATHS, ids=relative)
def test_links_lead_to_files_and_anchors(path: Path) -> None:
    wrong = []
    for link, file, anchor in targets(PAGES[path]):
        if not file.exists():
            wrong.append(f"{link}: no such file")
        elif anchor and file.suffix == ".md" and anchor not in MarkdownPage.read(file).anchors:
            wrong.append(f"{link}: no such anchor")
    assert wrong == []


@pytest.mark.parametrize("path", [path for path in PATHS if path.name != "README.md"], ids=relative)
def test_a_page_can_be_reached_from_the_readme(path: Path) -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        here = waiting.pop()
        if here not in reached and here in PAGES:
            reached.add(here)
            waiting += [file for _, file, _ in targets(PAGES[here])]
    assert path in reached, f"no chain of links leads from README.md to {relative(path)}"


def test_pages_name_no_folder_of_one_machine() -> None:
    assert [relative(path) for path, page in PAGES.items() if "/home/" in page.text] == []


def test_anchors_are_githubs() -> None:
    text = (
        '# The `sweep` file\n## A: b\n## A: b\n```sh\n# no heading\n```\n<a id="own"></a>\n[x](y.md#z) `[no](link)`\n'
    )
    page = MarkdownPage(Path("page.md"), text)
    assert page.anchors == {"the-sweep-file", "a-b", "a-b-1", "own"}
    assert page.links == ["y.md#z"]
