"""How many tokens of a text a sweep trains on, validates on and tests on: always the first ones."""

from __future__ import annotations

from typing import NamedTuple

from bansweep.errors import DataError
from bansweep.spec.text_data import TextSpec


class TokenCounts(NamedTuple):
    """Tokens of each split: words, and one `<eos>` for every line."""

    training: int
    validation: int
    test: int


def tokens_used(spec: TextSpec, whole: TokenCounts) -> TokenCounts:
    """The tokens that `spec` takes of a text that has `whole`. Raises DataError where it has fewer."""
    return TokenCounts(
        _first(spec.limit, whole.training, "limit", f"training tokens of {spec.kind}"),
        _first(spec.test_limit, whole.validation, "test_limit", f"validation tokens of {spec.kind}"),
        _first(spec.test_limit, whole.test, "test_limit", f"test tokens of {spec.kind}"),
    )


def _first(limit: int | None, tokens: int, key: str, what: str) -> int:
    if limit is not None and limit > tokens:
        raise DataError(
            f"{key}: {limit:,} is more than the {tokens:,} {what}",
            remedy=f"lower data.{key}, or leave it out to use all of them",
        )
    return tokens if limit is None else limit
