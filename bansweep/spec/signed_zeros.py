"""Negative zeros: YAML can say -0.0, which equals 0.0 in every setting but has another text, and so another id."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

_T = TypeVar("_T")


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
