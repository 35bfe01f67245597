"""Checks across the parts of a sweep file: references, kinds (images or text), and matching layers.

`reference_problems` works on the file's plain values, so that its problems are reported together with those of single
keys. The other checks need a valid sweep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from bansweep.config.base import nearest
from bansweep.config.data import is_text
from bansweep.config.losses import LOSSES, Loss
from bansweep.config.networks import DenseNet, StagedNetworkSpec, UserNetwork, is_language_model
from bansweep.config.recipes import AnyRecipe, LanguageRecipe
from bansweep.config.sweep import Column, Row, SweepSpec, named_row
from bansweep.errors import Finding, KeyPath

PAPER_TABLES = ("table1", "table2", "table3", "table4", "table5", "table6")


def kind_problems(sweep: SweepSpec) -> Iterator[Finding]:
    """Yield (key path, message) for every network, recipe and loss that does not suit the sweep's data."""
    text = is_text(sweep.data)
    kind = sweep.data.kind
    networks = "lstm or cnn-lstm" if text else "wrn-28-10 or densenet-90-60"
    for index, row in enumerate(sweep.networks):
        if is_language_model(row.network) != text:
            yield ("networks", index), f"{row.network.name} cannot learn from {kind}; a network for it is {networks}"
        if row.recipe is not None and _reads_text(row.recipe) != text:
            yield ("networks", index, "recipe"), _recipe_message(kind, text)
    if _reads_text(sweep.recipe) != text:
        yield ("recipe",), _recipe_message(kind, text)
    if text and sweep.resources.recompute:
        yield ("resources", "recompute"), "language models keep their activations; remove it"
    for name, column in sweep.generations.items():
        if column.network is not None and is_language_model(column.network) != text:
            message = f"{column.network.name} cannot learn from {kind}; a network for it is {networks}"
            yield ("generations", name, "network"), message
        if text and column.shared_layers != "none":
            yield ("generations", name, "shared_layers"), "language models share no layers; remove it"
        if text and column.loss.stage_outputs:
            message = "language models have no stages to compare; use kd or kd+labels"
            yield ("generations", name, "loss"), message


def _reads_text(recipe: AnyRecipe) -> bool:
    return isinstance(recipe, LanguageRecipe)


def _recipe_message(kind: str, text: bool) -> str:
    recipes = "lstm or cnn-lstm" if text else "wide-resnet"
    return f"this recipe is not for {kind}; one that is: {recipes}, or {{base: ..., ...}} with changes"


def matching_problems(sweep: SweepSpec) -> Iterator[Finding]:
    """Yield (key path, message) for every student that cannot take its teacher's layers, or match its stages.

    The sweep's references must be valid: every teacher is a column.
    """
    for name, column in sweep.generations.items():
        if column.teacher is None:
            continue
        for row in sweep.networks:
            if row.name in column.skip:
                continue
            student, teacher = column.network_in(row), sweep.generations[column.teacher].network_in(row)
            if is_language_model(student) or is_language_model(teacher):
                continue  # `kind_problems` covers them: they share and compare nothing
            if isinstance(student, UserNetwork) or isinstance(teacher, UserNetwork):
                yield from _user_network_problems(name, column)
                continue
            if column.shared_layers != "none" and _outer_channels(student) != _outer_channels(teacher):
                yield (
                    ("generations", name, "shared_layers"),
                    f"in row {row.name!r} the first and the last layer do not fit: {_outer_text(student)}, its teacher "
                    f"{_outer_text(teacher)}; {_remedy(teacher)}",
                )
            if column.loss.stage_outputs and _stages(student) != _stages(teacher):
                yield (
                    ("generations", name, "loss"),
                    f"in row {row.name!r} activations cannot be compared: the stages of {_stages_text(student)}, those "
                    f"of its teacher {_stages_text(teacher)}; {_remedy(teacher)}",
                )


def _user_network_problems(name: str, column: Column) -> Iterator[Finding]:
    """The layers of a user's network are not known before it is built."""
    if column.shared_layers != "none":
        yield ("generations", name, "shared_layers"), "networks of your own (kind: python) share no layers; remove it"
    if column.loss.stage_outputs:
        yield ("generations", name, "loss"), "networks of your own (kind: python) have no stages to compare; use kd"


def _outer_channels(network: StagedNetworkSpec) -> tuple[int, int]:
    return network.stem_channels, network.stage_channels[-1]


def _outer_text(network: StagedNetworkSpec) -> str:
    first, last = _outer_channels(network)
    return f"{network.name} has {first} channels after the first and {last} before the last"


def _stages(network: StagedNetworkSpec) -> tuple[tuple[int, int], ...]:
    return tuple(zip(network.stage_channels, network.downsampling, strict=True))


def _stages_text(network: StagedNetworkSpec) -> str:
    stages = ", ".join(f"{channels} at 1/{divisor}" for channels, divisor in _stages(network))
    return f"{network.name} give channels and resolution {stages}"


def _remedy(teacher: StagedNetworkSpec) -> str:
    if isinstance(teacher, DenseNet):
        like = f"{{kind: residual-student, block: basic, blocks: 2, ratio: 1, like: {teacher.name}}}"
        return f"what fits is {teacher.name} itself, or a residual student of it: {like}"
    return f"what fits is {teacher.name} itself"


def reference_problems(sweep: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield (key path, message) for every invalid reference. Parts of a wrong type are skipped."""
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


def _repeated(rows: list[tuple[KeyPath, str]]) -> Iterator[Finding]:
    seen: set[str] = set()
    for path, name in rows:
        if name in seen:
            yield path, f"the row {name!r} is there already; give one of them another 'name'"
        seen.add(name)


def _teachers(columns: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    for name, column in columns.items():
        teacher = column.get("teacher")
        shares_layers = column.get("shared_layers", "none") != "none"
        loss = _loss(column)
        if loss is not None and loss.teacher == "none" and not shares_layers:
            if teacher is not None:
                kind = loss.model_fields["kind"].default
                yield ("generations", name, "teacher"), f"a generation with the loss {kind!r} has no teacher; remove it"
        elif teacher is None and shares_layers:
            yield ("generations", name), "'teacher' is missing: 'shared_layers' takes layers of the column that teaches"
        elif teacher is None and loss is not None and loss.teacher == "required":
            yield ("generations", name), "'teacher' is missing: name the column that teaches this one"
        elif isinstance(teacher, str) and teacher not in columns:
            yield ("generations", name, "teacher"), f"unknown column {teacher!r}; {nearest(teacher, columns)}"


def _loss(column: Mapping[str, Any]) -> type[Loss] | None:
    """The configuration of the column's loss; None if its kind is missing or unknown."""
    loss = column.get("loss")
    kind = loss.get("kind") if isinstance(loss, dict) else loss
    return LOSSES.get(kind) if isinstance(kind, str) else None


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


def _ensembles(
    ensembles: Mapping[str, Any], columns: Mapping[str, Mapping[str, Any]], rows: list[str]
) -> Iterator[Finding]:
    for name, ensemble in ensembles.items():
        if name in columns:
            yield ("ensembles", name), "a generation has this name already; columns need different names"
        whole = ensemble if isinstance(ensemble, dict) else {"members": ensemble}
        rows_with_members = {row for row in whole if row != "members"}
        for key, members in whole.items():
            base: KeyPath = ("ensembles", name, key) if isinstance(ensemble, dict) else ("ensembles", name)
            rows_here = [row for row in rows if row not in rows_with_members] if key == "members" else [key]
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


def _row_names(networks: Any) -> Iterator[tuple[KeyPath, str]]:
    for index, network in enumerate(networks if isinstance(networks, list) else []):
        row = _row(network)
        # Validation reports an invalid network; its name counts all the same.
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
    """Whether every row is valid, and its name known. An invalid one may be the row that a reference means."""
    return isinstance(networks, list) and all(_row(network) is not None for network in networks)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list | tuple) else []
