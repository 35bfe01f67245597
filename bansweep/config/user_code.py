"""User code in a sweep file: a Python file beside it, and a function or class in it.

    loss: {kind: python, code: my_losses.py:penalised, arguments: {weight: 0.1}}

Reading the sweep file puts the Python file's text into the spec. So it is part of what a generation is, travels to the
process that trains it, and stays in its record; the file is not read again. Nothing of it is run here: it is parsed.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydantic import Field, JsonValue

from bansweep.config.base import SpecModel, nearest
from bansweep.errors import Finding, KeyPath
from bansweep.regular_file import open_regular

KIND: Final = "python"
MAX_BYTES = 128 * 1024

_REFERENCE = re.compile(r"(?P<file>.+\.py):(?P<name>[A-Za-z_]\w*)")
_EXAMPLE = "write FILE.py:NAME, such as my_losses.py:penalised"


class UserCode(SpecModel):
    """A function or class of a Python file. `file` is as the sweep file has it: for messages, and no part of an id."""

    file: str
    name: str
    text: str


class UserObject(SpecModel):
    """The base of networks, losses and data that a function or class in user code makes."""

    code: UserCode = Field(description="`FILE.py:NAME`, a function or class in a file beside the sweep file")
    arguments: Mapping[str, JsonValue] = Field(
        default_factory=dict, description="keyword arguments for it: numbers, texts, lists, mappings"
    )

    def __hash__(self) -> int:
        return hash((type(self), self.code, json.dumps(dict(self.arguments), sort_keys=True)))


def with_code(value: Any, folder: Path) -> tuple[Any, list[Finding]]:
    """A sweep file's plain value with the texts of the files that it names, relative to `folder`, and findings.

    Side effects: reads those files.
    """
    whole = deepcopy(value)
    findings = []
    for path, part in _user_objects(whole, ()):
        code = _read(part["code"], folder)
        if isinstance(code, str):
            findings.append(((*path, "code"), code))
        else:
            part["code"] = code
    return whole, findings


def _user_objects(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """Every mapping of the kind `python` that names its code."""
    if isinstance(value, dict):
        if value.get("kind") == KIND and isinstance(value.get("code"), str):
            yield path, value
        for key, part in value.items():
            yield from _user_objects(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _user_objects(part, (*path, index))


def _read(reference: str, folder: Path) -> dict[str, str] | str:
    """The code that `FILE.py:NAME` refers to, or what is wrong with it."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        return f"{reference!r} names no code; {_EXAMPLE}"
    file = folder / Path(match["file"]).expanduser()
    try:
        with open_regular(file) as opened:
            content = opened.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            return f"{file} has more than {MAX_BYTES:,} bytes; keep here what training needs"
        text = content.decode()
    except UnicodeDecodeError:
        return f"{file} is not UTF-8 text"
    except (OSError, RuntimeError, ValueError) as error:
        return (
            f"{file} cannot be read: {getattr(error, 'strerror', None) or error}; paths are relative to the sweep file"
        )
    return {"file": match["file"], "name": match["name"], "text": text}


def code_files(spec: SpecModel) -> dict[str, str]:
    """The texts of a sweep's Python files, by their paths as in the sweep file."""
    return {code["file"]: code["text"] for code in _codes(spec.model_dump(mode="json"))}


def _codes(value: Any) -> Iterator[dict[str, str]]:
    if isinstance(value, dict) and value.keys() == UserCode.model_fields.keys():
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _codes(part)


def with_digests(value: Any) -> Any:
    """A dumped spec in which user code is replaced by its name and digest: without its text and its file's path."""
    if isinstance(value, dict):
        if value.keys() == UserCode.model_fields.keys():
            return f"{value['name']}, SHA-256 {sha256(value['text'].encode()).hexdigest()}"
        return {key: with_digests(part) for key, part in value.items()}
    return [with_digests(part) for part in value] if isinstance(value, list) else value


def call_problem(user_object: UserObject, positional: tuple[str, ...]) -> str | None:
    """What is wrong with calling the code with these positional arguments and its `arguments`; None if nothing is.

    Decorated functions, and classes that inherit `__init__`, may take anything.
    """
    code = user_object.code
    try:
        module = ast.parse(code.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        return f"{code.file}{line}: {getattr(error, 'msg', error)}"
    defined = {
        node.name: node
        for node in module.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
    }
    node = defined.get(code.name)
    if node is None:
        if code.name in _assigned(module):
            return None
        return f"{code.file} defines no {code.name!r}; {nearest(code.name, defined)}"
    if isinstance(node, ast.AsyncFunctionDef):
        return f"{code.file}, line {node.lineno}: {code.name} is asynchronous; write def, without async"
    function, skipped = (node, 0) if isinstance(node, ast.FunctionDef) else (_initialiser(node), 1)
    if function is None or node.decorator_list:
        return None
    problem = _signature_problem(function.args, skipped, positional, user_object.arguments)
    return problem and f"{code.file}, line {function.lineno}: {code.name} {problem}"


def _assigned(module: ast.Module) -> set[str]:
    """Names that a module assigns or imports instead of defining them."""
    names = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names.update(alias.asname or alias.name for alias in node.names)
    return names


def _initialiser(node: ast.ClassDef) -> ast.FunctionDef | None:
    found = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    return found[-1] if found else None


def _signature_problem(
    signature: ast.arguments, skipped: int, positional: tuple[str, ...], arguments: Mapping[str, Any]
) -> str | None:
    """What is wrong with a call; `skipped` parameters (self) are given by Python."""
    takes = [*signature.posonlyargs, *signature.args]
    by_position = [one.arg for one in takes][skipped:]
    if len(by_position) < len(positional) and signature.vararg is None:
        return f"takes {len(by_position)} positional arguments; it is given {len(positional)}: {', '.join(positional)}"
    rest = set(by_position[len(positional) :]) - {one.arg for one in signature.posonlyargs}
    known = rest | {one.arg for one in signature.kwonlyargs}
    if signature.kwarg is None and (unknown := sorted(arguments.keys() - known)):
        return f"takes no argument {unknown[0]!r}; {nearest(unknown[0], known)}"
    with_default = {one.arg for one in takes[len(takes) - len(signature.defaults) :]}
    with_default |= {
        one.arg for one, default in zip(signature.kwonlyargs, signature.kw_defaults, strict=True) if default is not None
    }
    if missing := sorted(known - with_default - arguments.keys()):
        return f"needs the argument {missing[0]!r}: give it under 'arguments'"
    return None
