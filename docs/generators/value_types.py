"""What a field of the sweep file's models takes, in the words of someone who writes YAML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import StringConstraints
from pydantic.fields import FieldInfo

from bansweep.config.base import SpecModel
from bansweep.config.user_code import UserCode

_WORDS: dict[object, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    NoneType: "null",
    UserCode: "text",  # which reading the file turns into more
}


def models_in(annotation: Any) -> list[type[SpecModel]]:
    """The models that a union, or what is annotated, consists of; not those inside lists and mappings."""
    if isinstance(annotation, type) and issubclass(annotation, SpecModel) and annotation not in _WORDS:
        return [annotation]
    if get_origin(annotation) is Annotated:
        return models_in(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [model for member in get_args(annotation) for model in models_in(member)]
    return []


def unions_in(annotation: Any, metadata: Iterable[object] = ()) -> Iterator[tuple[tuple[type[SpecModel], ...], str]]:
    """Every model, or union of several, that values of a type can be; with what its validators say of other forms."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        yield from unions_in(inner, [*metadata, *more])
    elif models := models_in(annotation):
        own = [
            one for member in get_args(annotation) if get_origin(member) is Annotated for one in get_args(member)[1:]
        ]
        yield tuple(models), other_forms([*metadata, *own])
    else:
        for member in get_args(annotation):
            yield from unions_in(member)


def other_forms(metadata: Iterable[object]) -> str:
    """The first line of the docstring of each validator that takes shorthand."""
    docstrings = (getattr(getattr(one, "func", None), "__doc__", None) for one in metadata)
    return " ".join(docstring.strip().splitlines()[0] for docstring in docstrings if docstring)


def type_text(annotation: Any, metadata: Iterable[object], links: Mapping[type[SpecModel], str]) -> str:
    """`list of whole numbers, 0 or more`: a type with its limits; models are links to where they are described."""
    metadata = list(metadata)
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return type_text(inner, [*metadata, *more], links)
    return _bare(annotation, links) + "".join(f", {text}" for text in _limits(metadata))


def _bare(annotation: Any, links: Mapping[type[SpecModel], str]) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _WORDS:
        return _WORDS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        return links[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _choices([member.value for member in annotation])
    if origin is Literal:
        return _choices(arguments)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(type_text(member, (), links) for member in arguments))
    if origin is tuple:
        return f"list ({type_text(arguments[0], (), links)})"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping of names ({type_text(arguments[1], (), links)})"
    return "any value"


def _choices(values: Iterable[object]) -> str:
    return " or ".join(f"`{value}`" for value in values)


def _limits(metadata: Iterable[object]) -> Iterator[str]:
    for one in _flattened(metadata):
        match one:
            case Ge(ge=bound):
                yield f"≥ {_number(bound)}"
            case Gt(gt=bound):
                yield f"> {_number(bound)}"
            case Le(le=bound):
                yield f"≤ {_number(bound)}"
            case Lt(lt=bound):
                yield f"< {_number(bound)}"
            case MinLen(min_length=1):
                yield "not empty"
            case MinLen(min_length=least):
                yield f"{least:,} or more"
            case MaxLen(max_length=most):
                yield f"{most:,} at most"
            case StringConstraints(max_length=int(most)):
                yield f"{most} characters at most"


def _flattened(metadata: Iterable[object]) -> Iterator[object]:
    for one in metadata:
        if isinstance(one, FieldInfo):
            yield from one.metadata
        else:
            yield one


def _number(value: Any) -> str:
    powers = {2.0**31: "2³¹", 2.0**53: "2⁵³", -(2.0**53): "-2⁵³"}
    return powers.get(float(value)) or (f"{value:,}" if isinstance(value, int) else f"{value:,.10g}")


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
