"""The base of everything that a sweep file may say: frozen, closed, and helpful about misspelt keys."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError


def nearest(name: str, known: Iterable[str]) -> str:
    """The clause that points from a misspelt `name` to what is known, nearest first."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}" if names else "none are known"


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
            ]
            raise ValidationError.from_exception_data(cls.__name__, details) from None


def _message(line: dict[str, Any], known_keys: list[str]) -> str:
    """Pydantic's error in the words of someone who wrote a YAML file."""
    context = line.get("ctx", {})
    match line["type"]:
        case "spec":
            return str(context["text"])
        case "extra_forbidden":
            return f"unknown key {line['loc'][-1]!r}; {nearest(str(line['loc'][-1]), known_keys)}"
        case "missing":
            return f"{line['loc'][-1]!r} is missing"
        case "union_tag_invalid":
            kinds = [kind.strip().strip("'") for kind in context["expected_tags"].split(",")]
            return f"unknown kind {context['tag']!r}; {nearest(str(context['tag']), kinds)}"
        case "union_tag_not_found":
            return "'kind' is missing"
        case "value_error":
            return str(context["error"])
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"expected a mapping, not {line['input']!r}"
        case _:
            return f"{line['msg'][0].lower()}{line['msg'][1:]}, not {_short(line['input'])}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
