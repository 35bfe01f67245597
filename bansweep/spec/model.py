"""The base of everything that a sweep file may say: frozen, closed, and helpful about misspelt keys."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError


def nearest(name: str, known: Iterable[str]) -> str:
    """The clause that points from a misspelt `name` to what is known.

    One name is suggested only where it is really similar and more so than any other, else all are listed: `table9` is
    no misspelt `table6`.
    """
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.7)
    tie = len(close) == 2 and _similarity(name, close[0]) == _similarity(name, close[1])
    if close and not tie:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}" if names else "none are known"


def _similarity(name: str, known: str) -> float:
    return difflib.SequenceMatcher(None, known, name).ratio()


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
    """Whether a list is called too short only because its items, which have problems of their own, were not counted."""
    return line["type"] == "too_short" and bool(line["input"])


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


def _message(line: dict[str, Any], known_keys: list[str]) -> str:
    """Pydantic's error in the words of someone who wrote a YAML file."""
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
