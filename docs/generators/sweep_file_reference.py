"""docs/reference/sweep-file.md: every key of a sweep file, from the models that read it (bansweep/config/)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from pydantic import Tag
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from status import STATUS
from value_types import other_forms, slug, type_text, unions_in

from bansweep.config.base import SpecModel
from bansweep.config.recipes import RECIPES
from bansweep.config.sweep import SweepSpec

_INTRODUCTION = f"""\
# Reference: the sweep file

{STATUS}

Every key, from the models that read it (`bansweep/config/`); written by `python docs/generators/references.py`, so do
not edit it. [The guide](../sweep-file.md) explains and gives examples; [the commands](commands.md) have a page as well.
`bansweep check FILE` says what is wrong with a file; `--set KEY=VALUE` changes any key for one command, with parts of a
key joined by dots and items of lists counted from 0 (`--set data.limit=400`, `--set networks.0=wrn-16-1`).
"""


class UndescribedKeyError(Exception):
    """A field of a model says nothing about itself."""


@dataclass(frozen=True)
class _Section:
    """A model, or a union of several, under the key by which it is first met."""

    key: str
    models: tuple[type[SpecModel], ...]
    forms: str = ""
    tags: dict[type[SpecModel], str] = field(default_factory=dict)

    def heading(self, model: type[SpecModel]) -> str:
        """What tells a union's member from the others: its kinds, or its tag."""
        kinds = get_args(model.model_fields["kind"].annotation) if "kind" in model.model_fields else ()
        return ", ".join(f"`{kind}`" for kind in kinds) or self.tags.get(model, model.__name__)

    def anchor(self, model: type[SpecModel]) -> str:
        return self.key if len(self.models) == 1 else f"{self.key}-{slug(self.heading(model))}"


def page() -> str:
    """The whole page. Raises UndescribedKeyError for a key without `Field(description=...)`."""
    sections = list(_sections())
    links = {model: f"[{section.key}](#{section.key})" for section in sections for model in section.models}
    texts = [_INTRODUCTION, "## All keys\n", *_table("sweep", SweepSpec, links)]
    for section in sections:
        texts += [f"\n## `{section.key}`\n"]
        if len(section.models) > 1:
            members = (f"[{section.heading(model)}](#{section.anchor(model)})" for model in section.models)
            texts += [f"One of {', '.join(members)}.\n"]
        texts += [f"Written as: {section.forms}\n"] if section.forms else []
        for model in section.models:
            if len(section.models) > 1:
                texts += [f'<a id="{section.anchor(model)}"></a>\n', f"### {section.heading(model)}\n"]
            texts += _model(section, model, links)
    return "\n".join(texts).rstrip() + "\n"


def _sections() -> Iterator[_Section]:
    """Each model that a sweep file can hold, once, after the first that mentions it."""
    seen: set[type[SpecModel]] = {SweepSpec}
    waiting: list[type[SpecModel]] = [SweepSpec]
    while waiting:
        for key, info in waiting.pop(0).model_fields.items():
            for models, forms in unions_in(info.annotation, info.metadata):
                new = tuple(model for model in models if model not in seen)
                if not new:
                    continue
                seen |= set(new)
                waiting += new
                yield _Section(key, new, forms, _tags(info.annotation))


def _tags(annotation: Any) -> dict[type[SpecModel], str]:
    """The names by which a union without `kind` tells its members apart."""
    return {
        get_args(member)[0]: one.tag
        for member in get_args(annotation)
        for one in get_args(member)[1:]
        if isinstance(one, Tag)
    }


def _model(section: _Section, model: type[SpecModel], links: dict[type[SpecModel], str]) -> Iterator[str]:
    if "__doc__" in vars(model) and model.__doc__:
        yield f"{inspect.cleandoc(model.__doc__)}\n"
    if pattern := getattr(model, "name_pattern", None):
        yield f"Names: `{pattern}`.\n"
    yield from _table(section.anchor(model), model, links)


def _table(anchor: str, model: type[SpecModel], links: dict[type[SpecModel], str]) -> Iterator[str]:
    fields = {key: info for key, info in model.model_fields.items() if not _says_the_kind(key, info)}
    if not fields:
        yield "It has no further keys.\n"
        return
    yield "| key | takes | default | |\n| --- | --- | --- | --- |"
    for key, info in fields.items():
        if not info.description:
            raise UndescribedKeyError(
                f"{model.__module__}.{model.__name__}.{key} has no description: write Field(description=...) there"
            )
        takes = _type(info, links)
        cells = (f'<a id="{anchor}-{key}"></a>`{info.alias or key}`', takes, _default(model, key, info))
        yield f"| {' | '.join(map(_in_a_cell, (*cells, info.description)))} |"
    yield ""


def _says_the_kind(key: str, info: FieldInfo) -> bool:
    return key == "kind" and get_origin(info.annotation) is Literal


def _type(info: FieldInfo, links: dict[type[SpecModel], str]) -> str:
    text = type_text(info.annotation, info.metadata, links)
    if other := other_forms(info.metadata):
        one = re.fullmatch(r"list \((.*)\)", text)
        text = f"{one[1]}, or a list of them" if one and "list of them" in other else text
    return text


def _default(model: type[SpecModel], key: str, info: FieldInfo) -> str:
    named = {name: values[key] for name, values in RECIPES.items() if values.keys() == model.model_fields.keys()}
    if named:
        return ", ".join(f"{name}: {_value(value)}" for name, value in named.items())
    if info.default_factory is not None:
        return _value(info.default_factory())  # type: ignore[call-arg]
    return "required" if info.default is PydanticUndefined else _value(info.default)


def _value(value: object) -> str:
    """A value as YAML has it; a model by the keys that are not at their defaults."""
    match value:
        case None:
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case SpecModel():
            return "`{}`"
        case tuple() | list():
            return f"`[{', '.join(map(str, value))}]`"
        case float():
            return f"`{value:.10g}`"
        case _:
            return f"`{value}`"


def _in_a_cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
