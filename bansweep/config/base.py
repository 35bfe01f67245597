"""The base of all models of the sweep file: frozen, closed, and helpful about misspelt keys."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "string_pattern_mismatch": "letters, digits and . + * _ - , beginning with a letter or digit",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
}
_T = TypeVar("_T")


class SpecModel(BaseModel):
    """A frozen model that refuses unknown keys and names the nearest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            known = [field.alias or name for name, field in cls.model_fields.items()]
            details = [
                InitErrorDetails(
                    type=PydanticCustomError("spec", "{text}", {"text": _message(dict(line), known)}),
                    loc=line["loc"],
                    input=line["input"],
                )
                for line in error.errors(include_url=False)
                if not _counts_wrong_items_as_none(dict(line))
            ]
            raise ValidationError.from_exception_data(cls.__name__, details) from None


def _counts_wrong_items_as_none(line: dict[str, Any]) -> bool:
    """Whether a list is called too short only because its invalid items, which are also reported, did not count."""
    return line["type"] == "too_short" and bool(line["input"])


def _message(line: dict[str, Any], known_keys: list[str]) -> str:
    """Pydantic's error, worded for the author of a YAML file."""
    context = line.get("ctx", {})
    value = line["input"]
    match line["type"]:
        case "spec":
            return str(context["text"])
        case "extra_forbidden":
            return f"unknown key {line['loc'][-1]!r}; {nearest(str(line['loc'][-1]), known_keys)}"
        case "missing":
            return f"{line['loc'][-1]!r} is missing"
        case "union_tag_invalid" if isinstance(value, dict) and value.get("kind") is None:
            return "'kind' is empty"
        case "union_tag_invalid":
            kinds = [kind.strip().strip("'") for kind in context["expected_tags"].split(",")]
            return f"unknown kind {context['tag']!r}; {nearest(str(context['tag']), kinds)}"
        case "union_tag_not_found":
            return "'kind' is missing"
        case "value_error":
            return str(context["error"])
        case _ if value is None:
            return "is empty"
        case "too_short":
            return "needs at least one entry"
        case "tuple_type":
            remedy = f": write [{value}]" if isinstance(value, str | int | float) else ""
            return f"expected a list, not {_short(value)}{remedy}"
        case kind if kind in _EXPECTED:
            return f"expected {_EXPECTED[kind]}, not {_short(value)}"
        case _:
            return f"{line['msg'][0].lower()}{line['msg'][1:]}, not {_short(value)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint for an unknown `name`: the known name that it resembles, otherwise all known names.

    One name is suggested only if it is really similar, and more so than any other: `table9` is no misspelt `table6`.
    """
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.7)
    tie = len(close) == 2 and _similarity(name, close[0]) == _similarity(name, close[1])
    if close and not tie:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}" if names else "none are known"


def _similarity(name: str, known: str) -> float:
    return difflib.SequenceMatcher(None, known, name).ratio()


def without_negative_zeros(value: _T) -> _T:
    """A setting, a spec or plain data with 0.0 for every -0.0. Returns `value` itself if it has none."""
    changed: Any = _changed(value)
    return value if changed is None else changed


def _changed(value: Any) -> Any:
    """The value without negative zeros; None if it has none."""
    match value:
        case float():
            return 0.0 if value == 0.0 and math.copysign(1.0, value) < 0 else None
        case BaseModel():
            fields = {name: new for name, old in value if (new := _changed(old)) is not None}
            # A model's zeros were validated, and 0.0 is valid wherever -0.0 is.
            return value.model_copy(update=fields) if fields else None
        case Mapping():
            items = {key: new for key, old in value.items() if (new := _changed(old)) is not None}
            return {**value, **items} if items else None
        case list() | tuple():
            parts = [_changed(old) for old in value]
            if all(new is None for new in parts):
                return None
            return type(value)(old if new is None else new for old, new in zip(value, parts, strict=True))
        case _:
            return None


def kind_from_name(value: Any) -> Any:
    """A name, which is `{kind: NAME}`, or in full."""
    return {"kind": value} if isinstance(value, str) else value
