"""How large a sweep may be: sizes that no plan is made for are refused before anything is counted or compared.

Works on the file's plain values, before its chains are expanded. Parts of a wrong type are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bansweep.errors import Finding, KeyPath

MAX_NETWORKS = 500
MAX_COLUMNS = 20_000
MAX_SEEDS = 10_000
MAX_CELLS = 100_000
# Each value of a search is tried in every network, loss and recipe that it may meet.
MAX_VALUES_TRIED = 200_000
_LONGEST_CHAIN = 1000  # `Chain.length`


def size_problems(sweep: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield (key path, message) for every part of a sweep file that is too large, and for their product."""
    rows, seeds = _length(sweep.get("networks")), _length(sweep.get("seeds"))
    written = _mapping(sweep.get("generations"))
    networks = rows + sum("network" in _mapping(column) for column in written.values())
    columns = len(written) + _length(sweep.get("ensembles")) + _columns_of_chains(sweep.get("chain"))
    sizes: list[tuple[KeyPath, int, int, str]] = [
        (("networks",), networks, MAX_NETWORKS, "networks, with those of columns"),
        (("seeds",), seeds, MAX_SEEDS, "seeds"),
        (("generations",), columns, MAX_COLUMNS, "columns, with those of chains and ensembles"),
    ]
    found: list[Finding] = [
        (path, f"{size:,} {what}; a sweep has {most:,} at most") for path, size, most, what in sizes if size > most
    ]
    yield from found
    cells = max(rows, 1) * max(columns, 1) * max(seeds, 1)
    if not found and cells > MAX_CELLS:
        yield (
            (),
            f"{max(rows, 1):,} networks x {max(columns, 1):,} columns x {max(seeds, 1):,} seeds are {cells:,} cells; a "
            f"sweep has {MAX_CELLS:,} at most: make several sweeps of it, which share what they have in common",
        )
    yield from _long_lists_of_names(sweep)
    for path, search in _searches(sweep):
        values = sum(map(_values, _mapping(search.get("parameters")).values()))
        if values * (rows + columns) > MAX_VALUES_TRIED:
            yield (
                (*path, "parameters"),
                f"{values:,} values, each to be tried in {rows + columns:,} rows and columns; draw them from a range, "
                "such as {loguniform: [0.01, 0.3]}, or list fewer",
            )


def _long_lists_of_names(sweep: Mapping[str, Any]) -> Iterator[Finding]:
    for name, column in _mapping(sweep.get("generations")).items():
        skipped = _length(_mapping(column).get("skip"))
        if skipped > MAX_NETWORKS:
            yield ("generations", name, "skip"), f"{skipped:,} rows; a sweep has {MAX_NETWORKS:,} at most"
    for name, ensemble in _mapping(sweep.get("ensembles")).items():
        members = max(_length(ensemble), *map(_length, _mapping(ensemble).values()), 0)
        if members > MAX_COLUMNS:
            yield ("ensembles", name), f"{members:,} members; a sweep has {MAX_COLUMNS:,} columns at most"


def _columns_of_chains(chain: Any) -> int:
    if chain is None:
        return 0
    lengths = [_mapping(one).get("length") for one in (chain if isinstance(chain, list) else [chain])]
    # Validation reports invalid lengths.
    return sum(min(max(length, 1), _LONGEST_CHAIN) if isinstance(length, int) else 1 for length in lengths)


def _searches(sweep: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    yield ("search",), _mapping(sweep.get("search"))
    for name, column in _mapping(sweep.get("generations")).items():
        yield ("generations", name, "search"), _mapping(_mapping(column).get("search"))


def _values(distribution: Any) -> int:
    """How many values a parameter lists, in whichever form."""
    return max(_length(distribution), *map(_length, _mapping(distribution).values()), 0)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list | dict) else 0
