"""What tests ask of an HTML page: elements, ids, links, names for screen readers. Strict: tags must be balanced."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    parent: Element | None
    content: list[Element | str] = field(default_factory=list)

    @property
    def children(self) -> list[Element]:
        return [part for part in self.content if isinstance(part, Element)]

    @property
    def text(self) -> str:
        """All text within, with single spaces."""
        return " ".join(" ".join(part if isinstance(part, str) else part.text for part in self.content).split())

    def all(self, *tags: str) -> list[Element]:
        """The elements within that have one of these tags, in the document's order."""
        found = [self] if self.tag in tags else []
        return found + [element for child in self.children for element in child.all(*tags)]

    def by_id(self, wanted: str) -> Element:
        (found,) = (element for element in self.every() if element.attributes.get("id") == wanted)
        return found

    def every(self) -> list[Element]:
        return [self, *(element for child in self.children for element in child.every())]

    def rows(self) -> list[list[str]]:
        """The texts of a table's cells, line by line."""
        return [[cell.text for cell in row.all("th", "td")] for row in self.all("tr")]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {}, None)
        self._open = self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs}, self._open)
        self._open.content.append(element)
        if tag not in VOID:
            self._open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.content.append(Element(tag, {name: value or "" for name, value in attrs}, self._open))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.tag, f"</{tag}> closes <{self._open.tag}> in line {self.getpos()[0]}"
        assert self._open.parent is not None
        self._open = self._open.parent

    def handle_data(self, data: str) -> None:
        self._open.content.append(data)

    def finished(self) -> Element:
        self.close()
        assert self._open is self.root, f"<{self._open.tag}> is never closed"
        return self.root


def html_document(text: str) -> Element:
    """The document's root. Raises AssertionError where tags are not balanced."""
    reader = _Reader()
    reader.feed(text)
    return reader.finished()
