"""YAML as plain values that remember their lines, read the way people mean it and refusing what can do harm.

Words are words (`no` is not false), `1e-3` is a number, keys are strings; anchors, aliases, tags, repeated keys,
deep nesting, control characters, and files and values over a size are refused.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bansweep.errors import KeyPath, Problem, SweepFileError
from bansweep.regular_file import open_regular

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_TEXT = 1000
MAX_PROBLEMS = 20

# Control and format characters, halves of characters, line and paragraph separators.
_CONTROL = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))

_RESOLVERS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9][0-9_]*", list("-+0123456789")),
    "float": (r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|nan)", list("-+.0123456789")),
}


@dataclass(frozen=True)
class Document:
    """A file's value (None if it is empty), and the line (from 1) of each key or item."""

    file: str
    value: Any
    lines: dict[KeyPath, int]

    def line_of(self, path: KeyPath) -> int:
        """The line of `path`, or of its nearest part that the file contains."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


def read_document(path: Path) -> Document:
    """Read a YAML file. Raises SweepFileError with everything that is wrong with it as YAML."""
    file = str(path)
    try:
        with open_regular(path) as opened:
            content = opened.read(MAX_BYTES + 1)
            size = max(len(content), os.fstat(opened.fileno()).st_size)
        if size > MAX_BYTES:
            raise SweepFileError((Problem(file, 0, "", f"{size:,} bytes; a sweep file has {MAX_BYTES:,} at most"),))
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SweepFileError((Problem(file, line, "", f"not UTF-8 text: byte {error.start} is invalid"),)) from None
    except OSError as error:
        raise SweepFileError((Problem(file, 0, "", (error.strerror or str(error)).lower()),)) from None
    return parse_document(text, file)


def parse_document(text: str, file: str) -> Document:
    """Parse YAML text; `file` names it in messages. Raises SweepFileError."""
    try:
        problems = list(_refused(text, file))
        if problems:
            raise refusal(file, problems)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise SweepFileError((Problem(file, line, "", f"not YAML: {error.problem or error.context}"),)) from None
    except yaml.reader.ReaderError as error:
        line = text.encode().count(b"\n", 0, error.position) + 1
        raise SweepFileError((Problem(file, line, "", f"not YAML: {error.reason}"),)) from None
    except yaml.YAMLError as error:
        raise SweepFileError((Problem(file, 0, "", f"not YAML: {' '.join(str(error).split())}"),)) from None
    reader = _Reader(file)
    value = reader.value(node, ()) if node is not None else None
    if reader.problems:
        raise refusal(file, reader.problems)
    return Document(file, value, reader.lines)


def parse_value(text: str) -> Any:
    """A single value as it would be read in a sweep file: `--set key=VALUE`. Raises SweepFileError."""
    return parse_document(text, "--set").value


def refusal(file: str, problems: Sequence[Problem]) -> SweepFileError:
    """The error that reports `problems`: at most the first few, which are enough for a file that is no sweep file."""
    more = len(problems) - MAX_PROBLEMS
    reported = [*problems[:MAX_PROBLEMS], Problem(file, 0, "", f"... and {more} more")] if more > 0 else problems
    return SweepFileError(tuple(reported))


def key_text(path: KeyPath) -> str:
    """A path as people write it: `generations.ban.loss`, `networks[2].depth`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class _Loader(yaml.CSafeLoader):
    """PyYAML's loader with YAML 1.2's idea of numbers and words instead of 1.1's."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's form)


for _name, (_pattern, _first) in _RESOLVERS.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern})$"), _first)


def _refused(text: str, file: str) -> Iterator[Problem]:
    """Problems to find before nodes are built: PyYAML recurses, and aliases can multiply without end."""
    depth = 0
    documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            yield Problem(file, line, "", f"aliases (*{event.anchor}) are not accepted; write the value out")
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                yield Problem(file, line, "", "a second document (---) begins here; a sweep file holds one")
                return
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                yield Problem(file, line, "", f"nested deeper than {MAX_DEPTH} levels")
                return
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


@dataclass
class _Reader:
    file: str
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(line, path, "a key must be a word, not a list or mapping")
                continue
            key = str(key_node.value)
            if wrong := _unfit(key):
                self._problem(line, path, f"a key {wrong}")
                continue
            if key in mapping:
                self._problem(line, (*path, key), f"repeated; first given in line {self.lines[(*path, key)]}")
                continue
            self.lines[(*path, key)] = line
            mapping[key] = self.value(value_node, (*path, key))
        return mapping

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        text = str(node.value)
        if wrong := _unfit(text):
            self._problem(node.start_mark.line + 1, path, f"a value {wrong}")
            return None
        match str(node.tag).removeprefix("tag:yaml.org,2002:"):
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                if len(text) > 40:
                    self._problem(node.start_mark.line + 1, path, f"a number of {len(text)} digits")
                    return 0
                return int(text.replace("_", ""))
            case "float":
                # YAML writes `.inf` and `.nan`, Python does not know the dot.
                digits = text.replace("_", "")
                return float(digits.replace(".", "", 1) if digits.endswith(("inf", "nan")) else digits)
            case _:
                self._problem(node.start_mark.line + 1, path, f"the tag {node.tag!r} is not accepted")
                return None

    def _problem(self, line: int, path: KeyPath, message: str) -> None:
        self.problems.append(Problem(self.file, line, key_text(path), message))


def _unfit(text: str) -> str:
    """Why a sweep file may not hold this text, of which names, paths and messages are made; empty if it may."""
    if len(text) > MAX_TEXT:
        return f"of {len(text):,} characters; {MAX_TEXT:,} are the most"
    wrong = next((one for one in text if unicodedata.category(one) in _CONTROL), None)
    return "" if wrong is None else f"with the control character U+{ord(wrong):04X}; remove it"
