"""From a sweep file and `--set` options to a valid SweepSpec, or to all their problems together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bansweep.config.chain import attributed_to_chains, chain_problems, chains_are_valid, with_chains
from bansweep.config.consistency import kind_problems, matching_problems, reference_problems
from bansweep.config.limits import size_problems
from bansweep.config.search_problems import search_problems
from bansweep.config.sweep import SweepSpec
from bansweep.config.user_code import with_code
from bansweep.config.yaml_document import Document, key_text, parse_document, parse_value, read_document, refusal
from bansweep.errors import Finding, KeyPath, Problem, SweepFileError

# A part that may be written as a bare name is that name under this key when `--set` reaches into it.
_SHORTHAND_KEY = {"data": "kind", "recipe": "base", "loss": "kind", "pruner": "kind"}

# Each unknown name is compared with all known ones, and a file can have far more of them than anyone reads.
_MOST_FINDINGS = 100


def read_sweep(path: Path, overrides: Sequence[str] = ()) -> SweepSpec:
    """Read and validate a sweep file, with `key=value` overrides. Raises SweepFileError with every problem."""
    return _validated(read_document(path), overrides, path.parent)


def parse_sweep(text: str, overrides: Sequence[str] = (), *, file: str = "<text>") -> SweepSpec:
    """As `read_sweep`, from text. User code is read relative to the current folder."""
    return _validated(parse_document(text, file), overrides, Path())


def _validated(document: Document, overrides: Sequence[str], folder: Path) -> SweepSpec:
    value = document.value
    if value is None:
        raise SweepFileError((Problem(document.file, 0, "", "the file is empty"),))
    if not isinstance(value, dict):
        raise SweepFileError((Problem(document.file, 1, "", "a sweep file is a mapping: name, data, recipe, ..."),))
    problems: list[Problem] = []
    sweep, found = _checked(value, folder)
    # Each problem's origin: an override, or (None) the file itself.
    origins: dict[Finding, str | None] = dict.fromkeys(map(_without_hint, found))
    for text in overrides:
        changed = deepcopy(value)
        target = _override(changed, text)
        if isinstance(target, Problem):
            problems.append(target)
            continue
        value = changed
        sweep, found = _checked(value, folder)
        untouched = {key for key in origins if key[0][: len(target)] != target}
        origins = {key: origins[key] if key in untouched else text for key in map(_without_hint, found)}
    for path, message in found:
        origin = origins[_without_hint((path, message))]
        file, line = (f"--set {origin}", 0) if origin is not None else (document.file, document.line_of(path))
        problems.append(Problem(file, line, key_text(path), message))
    if problems or sweep is None:
        raise refusal(document.file, sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line)))
    return sweep


def _checked(written: dict[str, Any], folder: Path) -> tuple[SweepSpec | None, list[Finding]]:
    # A file that is too large is not checked further: comparing its names could take hours.
    if found := list(size_problems(written)):
        return None, found
    value, found = with_code(written, folder)
    if found:
        return None, found
    found = list(chain_problems(value))
    whole = with_chains(value)
    if chains_are_valid(value):
        found += islice(reference_problems(whole), _MOST_FINDINGS)
    sweep = None
    try:
        sweep = SweepSpec.model_validate(whole)
        # Only valid parts can be compared.
        found = found or list(kind_problems(sweep)) or [*matching_problems(sweep), *search_problems(sweep)]
    except ValidationError as error:
        found += [(_path_in(whole, line["loc"]), line["msg"]) for line in error.errors(include_url=False)]
    return sweep, attributed_to_chains(found, value)


def _without_hint(finding: Finding) -> Finding:
    """The finding without its remedy: an override can change which names that lists."""
    path, message = finding
    return path, message.partition(";")[0]


def _path_in(value: Any, location: Sequence[str | int]) -> KeyPath:
    """Pydantic's location without the steps that the file does not have: a union's branch, an inner model, a missing
    key (which the message names)."""
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


def _override(value: dict[str, Any], text: str) -> KeyPath | Problem:
    """Set one `key=value` in place and return the path that it set, or a Problem.

    After a Problem `value` may be partly changed.
    """
    key, equals, new = text.partition("=")
    if not equals or not key.strip():
        return Problem("--set", 0, text, "expected key=value, such as recipe.epochs=20")
    try:
        new_value = parse_value(new)
    except SweepFileError as error:
        return Problem("--set", 0, key, error.problems[0].message)
    path: list[str | int] = []
    target: Any = value
    rest: str | None = key.strip()
    while rest is not None:
        if path:
            target = _reach_into(target, path[-1])
        part, rest = _next_part(target, rest, one_key=path[-2:] == ["search", "parameters"])
        if not part:
            return Problem("--set", 0, key, "empty part in the key")
        if isinstance(target, list):
            if not part.isdigit() or int(part) >= len(target):
                return Problem("--set", 0, key, f"{part!r} is no position in a list of {len(target)}")
            step: str | int = int(part)
        elif isinstance(target, dict):
            step = part
        else:
            return Problem("--set", 0, key, f"{key_text(tuple(path))} is {target!r} and has no parts")
        path.append(step)
    target[path[-1]] = new_value
    return tuple(path)


def _reach_into(target: Any, step: str | int) -> Any:
    """The value at `step`. One that is missing or a bare name is first replaced by a mapping."""
    inner = target[step] if isinstance(step, int) else target.get(step)
    if isinstance(inner, str) and step in _SHORTHAND_KEY:
        inner = {_SHORTHAND_KEY[str(step)]: inner}
    target[step] = {} if inner is None else inner
    return target[step]


def _next_part(target: Any, rest: str, *, one_key: bool) -> tuple[str, str | None]:
    """The first part of a dotted key, and what follows its dot (None without one).

    Names that hold dots themselves are known from the file, or `one_key`: a searched key is written with its dots.
    """
    if isinstance(target, dict):
        for name in sorted(target, key=len, reverse=True):
            if rest == name:
                return name, None
            if rest.startswith(f"{name}."):
                return name, rest[len(name) + 1 :]
    if one_key:
        return rest, None
    part, dot, rest = rest.partition(".")
    return part, rest if dot else None
