"""Whether the parts of a sweep file fit together: teachers exist, nothing teaches itself, ensembles have members.

Works on the file's plain values, so that these problems are found together with those of single keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from bansweep.errors import Finding, KeyPath
from bansweep.spec.losses import TAUGHT_KINDS
from bansweep.spec.model import nearest
from bansweep.spec.sweep import Row, named_row

PAPER_TABLES = ("table1", "table2", "table3", "table4", "table5", "table6")


def reference_problems(sweep: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield (key path, message) for every reference that does not hold. Parts of a wrong type are passed over."""
    rows = list(_row_names(sweep.get("networks")))
    columns = {name: _mapping(column) for name, column in _mapping(sweep.get("generations")).items()}
    ensembles = _mapping(sweep.get("ensembles"))
    yield from _repeated(rows)
    yield from _teachers(columns)
    yield from _cycles(columns)
    row_names = [name for _, name in rows]
    yield from _skips(columns, row_names)
    if columns:
        yield from _ensembles(ensembles, columns, row_names)
    if _all_valid(sweep.get("networks")):
        yield from _unknown_rows(columns, ensembles, row_names)
    seeds = sweep.get("seeds")
    if isinstance(seeds, list):
        for index, seed in enumerate(seeds):
            if seed in seeds[:index]:
                yield ("seeds", index), f"{seed!r} is repeated; each seed is a replica of its own"
    paper = sweep.get("paper")
    if isinstance(paper, str) and paper not in PAPER_TABLES:
        yield ("paper",), f"unknown table {paper!r}; known: {', '.join(PAPER_TABLES)}"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list | tuple) else []


def _row_names(networks: Any) -> Iterator[tuple[KeyPath, str]]:
    for index, network in enumerate(networks if isinstance(networks, list) else []):
        row = _row(network)
        # The problem of a wrong network is reported elsewhere; a name that it has still counts.
        written = network.get("name") if isinstance(network, dict) else network
        name = row.name if row is not None else written
        if isinstance(name, str):
            yield ("networks", index), name


def _row(network: Any) -> Row | None:
    try:
        return Row.model_validate(named_row(network))
    except ValueError:  # pydantic's ValidationError is one
        return None


def _all_valid(networks: Any) -> bool:
    """Whether every row's name is known; the one that is not may be the very row that others mean."""
    return isinstance(networks, list) and all(_row(network) is not None for network in networks)


def _repeated(rows: list[tuple[KeyPath, str]]) -> Iterator[Finding]:
    seen: set[str] = set()
    for path, name in rows:
        if name in seen:
            yield path, f"the row {name!r} is there already; give one of them another 'name'"
        seen.add(name)


def _loss_kind(column: Mapping[str, Any]) -> Any:
    loss = column.get("loss")
    return loss.get("kind") if isinstance(loss, dict) else loss


def _teachers(columns: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    for name, column in columns.items():
        teacher = column.get("teacher")
        shares_layers = column.get("shared_layers", "none") != "none"
        if _loss_kind(column) == "labels" and not shares_layers:
            if teacher is not None:
                yield ("generations", name, "teacher"), "a generation with the loss 'labels' has no teacher; remove it"
        elif teacher is None and shares_layers:
            yield ("generations", name), "'teacher' is missing: 'shared_layers' takes layers of the column that teaches"
        elif teacher is None and _loss_kind(column) in TAUGHT_KINDS:
            yield ("generations", name), "'teacher' is missing: name the column that teaches this one"
        elif isinstance(teacher, str) and teacher not in columns:
            yield ("generations", name, "teacher"), f"unknown column {teacher!r}; {nearest(teacher, columns)}"


def _cycles(columns: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    teachers = {
        name: [column["teacher"]] if isinstance(column.get("teacher"), str) and column["teacher"] in columns else []
        for name, column in columns.items()
    }
    try:
        TopologicalSorter(teachers).prepare()
    except CycleError as error:
        cycle = list(reversed(error.args[1]))
        yield ("generations", cycle[0], "teacher"), f"goes round in a circle: {' <- '.join(cycle)}"


def _skips(columns: Mapping[str, Mapping[str, Any]], rows: list[str]) -> Iterator[Finding]:
    for name, column in columns.items():
        teacher = _mapping(columns.get(str(column.get("teacher"))))
        orphaned = [row for row in _names(teacher.get("skip")) if row in rows and row not in _names(column.get("skip"))]
        for row in orphaned:
            yield (
                ("generations", name, "teacher"),
                f"{column['teacher']!r} skips {row!r}, so {name!r} has no teacher there; skip it too",
            )


def _unknown_rows(
    columns: Mapping[str, Mapping[str, Any]], ensembles: Mapping[str, Any], rows: list[str]
) -> Iterator[Finding]:
    for name, column in columns.items():
        for index, row in enumerate(_names(column.get("skip"))):
            if row not in rows:
                yield ("generations", name, "skip", index), f"unknown row {row!r}; {nearest(row, rows)}"
    for name, ensemble in ensembles.items():
        for row in _mapping(ensemble):
            if row != "members" and row not in rows:
                yield ("ensembles", name, row), f"{row!r} is neither 'members' nor a row; {nearest(row, rows)}"


def _ensembles(
    ensembles: Mapping[str, Any], columns: Mapping[str, Mapping[str, Any]], rows: list[str]
) -> Iterator[Finding]:
    for name, ensemble in ensembles.items():
        if name in columns:
            yield ("ensembles", name), "a generation has this name already; columns need different names"
        whole = ensemble if isinstance(ensemble, dict) else {"members": ensemble}
        own_rows = {row for row in whole if row != "members"}
        for key, members in whole.items():
            base: KeyPath = ("ensembles", name, key) if isinstance(ensemble, dict) else ("ensembles", name)
            rows_here = [row for row in rows if row not in own_rows] if key == "members" else [key]
            names = _names(members)
            for index, member in enumerate(names):
                if member in names[:index]:
                    yield (*base, index), f"{member!r} is repeated; each member counts once"
                    continue
                if member not in columns:
                    yield (*base, index), f"unknown column {member!r}; {nearest(member, columns)}"
                    continue
                skipped = set(_names(columns[member].get("skip"))).intersection(rows_here)
                for row in sorted(skipped):
                    yield (
                        (*base, index),
                        f"{member!r} is skipped in {row!r}; give that row members of its own: {row}: [...]",
                    )
