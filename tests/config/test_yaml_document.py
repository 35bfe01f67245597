"""YAML as people mean it, and nothing that can do harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from bansweep.config.yaml_document import MAX_BYTES, parse_document, read_document
from bansweep.errors import SweepFileError


def problems_of(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(SweepFileError) as caught:
        parse_document(text, "file.yaml")
    return [(problem.line, problem.key, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("5e-4", 0.0005),
        ("1.5E+3", 1500.0),
        (".5", 0.5),
        ("-2", -2),
        ("50_000", 50000),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("0o17", "0o17"),
        ("1:30", "1:30"),
        ("2026-11-22", "2026-11-22"),
        ("'1e-3'", "1e-3"),
        ("wrn-28-1", "wrn-28-1"),
    ],
)
def test_scalars_read_as_people_mean_them(text: str, value: object) -> None:
    read = parse_document(f"key: {text}", "file.yaml").value["key"]
    assert read == value
    assert type(read) is type(value)


def test_keys_are_words_whatever_they_look_like() -> None:
    assert parse_document("{1: a, no: b, 0.5: c}", "file.yaml").value == {"1": "a", "no": "b", "0.5": "c"}


def test_lines_of_keys_and_items() -> None:
    document = parse_document("a: 1\nb:\n  - x\n  - y: 2\n", "file.yaml")
    assert document.line_of(("a",)) == 1
    assert document.line_of(("b", 0)) == 3
    assert document.line_of(("b", 1, "y")) == 4
    assert document.line_of(("b", 1, "missing")) == 4, "a missing key is reported where its mapping stands"


def test_all_repeated_keys_at_once() -> None:
    assert problems_of("a: 1\nb: {c: 1, c: 2}\na: 2\n") == [
        (2, "b.c", "repeated; first given in line 2"),
        (3, "a", "repeated; first given in line 1"),
    ]


def test_aliases_are_refused_before_they_can_multiply() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True))
    assert all("aliases" in message for _, _, message in problems_of(bomb))


def test_deep_nesting_is_refused() -> None:
    assert problems_of("[" * 5000 + "]" * 5000) == [(1, "", "nested deeper than 32 levels")]


@pytest.mark.parametrize(
    "text", ["a: [1, 2", "a: b: c", "\t- x", "a: !!python/object:os.system x", "x: \x07", "a: 1\n---\nb: 2"]
)
def test_what_is_not_plain_yaml_has_a_message(text: str) -> None:
    assert problems_of(text)


def test_large_and_unreadable_files(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_bytes(b"x" * (MAX_BYTES + 1))
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: Zürich".encode("latin-1"))
    for path, message in [(large, "1,048,577 bytes"), (latin, "not UTF-8"), (tmp_path / "none.yaml", "no such file")]:
        with pytest.raises(SweepFileError, match=message):
            read_document(path)
    with pytest.raises(SweepFileError, match="directory"):
        read_document(tmp_path)
