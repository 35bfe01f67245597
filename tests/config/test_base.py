"""Suggestions for misspelt names."""

from __future__ import annotations

import pytest

from bansweep.config.base import nearest


@pytest.mark.parametrize(
    ("name", "known", "clause"),
    [
        ("epocs", ["epochs", "momentum"], "did you mean 'epochs'?"),
        ("table9", ["table2", "table1"], "known: table1, table2"),
        ("ban-9", ["ban-1", "ban-2", "teacher"], "known: ban-1, ban-2, teacher"),
        ("fat", ["thin", "thin", "wide"], "known: thin, wide"),
        ("fat", [], "none are known"),
    ],
)
def test_one_name_is_suggested_only_where_it_is_nearer_than_all_others(
    name: str, known: list[str], clause: str
) -> None:
    assert nearest(name, known) == clause
