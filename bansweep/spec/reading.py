"""From a sweep file and `--set` options to a valid SweepSpec, or to all that is wrong with them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bansweep.errors import Problem, SweepFileError
from bansweep.spec.document import Document, KeyPath, key_text, parse_document, parse_value, read_document
from bansweep.spec.references import reference_problems
from bansweep.spec.sweep import SweepSpec

# A part that may be written as a bare name is that name under this key when `--set` reaches into it.
_SHORTHAND_KEY = {"data": "kind", "recipe": "base", "loss": "kind"}


def read_sweep(path: Path, overrides: Sequence[str] = ()) -> SweepSpec:
    """Read and validate a sweep file, with `key=value` overrides. Raises SweepFileError with every problem."""
    return _validated(read_document(path), overrides)


def parse_sweep(text: str, overrides: Sequence[str] = (), *, file: str = "<text>") -> SweepSpec:
    """As `read_sweep`, from text."""
    return _validated(parse_document(text, file), overrides)


def _validated(document: Document, overrides: Sequence[str]) -> SweepSpec:
    value = document.value
    if not isinstance(value, dict):
        raise SweepFileError((Problem(document.file, 1, "", "a sweep file is a mapping: name, data, recipe, ..."),))
    origins: dict[KeyPath, str] = {}
    problems = [problem for text in overrides if (problem := _override(value, text, origins))]
    sweep: SweepSpec | None = None
    found: list[tuple[KeyPath, str]] = list(reference_problems(value))
    try:
        sweep = SweepSpec.model_validate(value)
    except ValidationError as error:
        found += [(_path_in(value, line["loc"]), line["msg"]) for line in error.errors(include_url=False)]
    for path, message in found:
        origin = next((origins[path[:n]] for n in range(len(path), 0, -1) if path[:n] in origins), None)
        file, line = (f"--set {origin}", 0) if origin is not None else (document.file, document.line_of(path))
        problems.append(Problem(file, line, key_text(path), message))
    if problems or sweep is None:
        raise SweepFileError(tuple(sorted(set(problems), key=lambda problem: (problem.file, problem.line))))
    return sweep


def _path_in(value: Any, location: Sequence[str | int]) -> KeyPath:
    """Pydantic's location without the steps that the file does not have (a union's branch, an inner model).

    The last step is kept even where the file lacks it: a missing key has to be named.
    """
    path: list[str | int] = []
    for part in location:
        if isinstance(value, Mapping) and part in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            continue
        path.append(part)
    return tuple(path)


def _override(value: dict[str, Any], text: str, origins: dict[KeyPath, str]) -> Problem | None:
    """Set one `key=value` in place; a Problem where that cannot be done."""
    key, equals, new = text.partition("=")
    if not equals or not key.strip():
        return Problem("--set", 0, text, "expected key=value, such as recipe.epochs=20")
    path: list[str | int] = []
    target: Any = value
    rest = key.strip()
    while True:
        part, rest = _next_part(target, rest)
        if isinstance(target, list):
            if not part.isdigit() or int(part) >= len(target):
                return Problem("--set", 0, key, f"{part!r} is no position in a list of {len(target)}")
            step: str | int = int(part)
        elif isinstance(target, dict):
            step = part
        else:
            return Problem("--set", 0, key, f"{key_text(tuple(path))} is {target!r} and has no parts")
        path.append(step)
        if not rest:
            break
        inner = target[step] if isinstance(step, int) else target.get(step)
        if isinstance(inner, str) and step in _SHORTHAND_KEY:
            inner = {_SHORTHAND_KEY[str(step)]: inner}
        target[step] = {} if inner is None else inner
        target = target[step]
    try:
        target[path[-1]] = parse_value(new)
    except SweepFileError as error:
        return Problem("--set", 0, key, error.problems[0].message)
    origins[tuple(path)] = text
    return None


def _next_part(target: Any, rest: str) -> tuple[str, str]:
    """The first part of a dotted key, and what follows; names that hold dots themselves are known from the file."""
    if isinstance(target, dict):
        for name in sorted(target, key=len, reverse=True):
            if rest == name or rest.startswith(f"{name}."):
                return name, rest[len(name) + 1 :]
    part, _, rest = rest.partition(".")
    return part, rest
