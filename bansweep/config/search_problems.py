"""Checks of hyperparameter searches: validation data exist, and all drawn values are valid."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

from pydantic import JsonValue

from bansweep.config.base import SpecModel, without_negative_zeros
from bansweep.config.data import is_text
from bansweep.config.hyperparameters import (
    PARTS,
    AnyDistribution,
    Choice,
    Grid,
    HyperparameterError,
    Int,
    part_of,
    plain_text,
    typical_values,
    with_values_in,
)
from bansweep.config.losses import LossSpec
from bansweep.config.networks import NetworkSpec
from bansweep.config.recipes import AnyRecipe
from bansweep.config.search import Search
from bansweep.config.sweep import Column, SweepSpec
from bansweep.errors import Finding, KeyPath

_ValueProblem = tuple[str | None, str]
"""The key that is wrong (None: several together are), and a message."""

_TRIED = 1000  # combinations of values at most


class _SearchedCell(NamedTuple):
    """A cell of the table that is searched, and its hyperparameters without the search."""

    column: str
    row: str
    network: NetworkSpec
    loss: LossSpec
    recipe: AnyRecipe


def search_problems(sweep: SweepSpec) -> Iterator[Finding]:
    """Yield (key path, message) for what cannot be searched, or chosen. The sweep must be valid otherwise."""
    yield from _metric_problems(sweep)
    if not is_text(sweep.data) and not sweep.data.validation:
        for path, what in _choices(sweep):
            yield (
                path,
                f"{what} needs images to choose by that are neither trained on nor test data: set data.validation, "
                "such as data: {kind: cifar10, validation: 5000}",
            )
    for path, search in sweep.searches():
        columns = {name: column for name, column in sweep.generations.items() if sweep.search_in(column) is search}
        yield from _parameter_problems(sweep, search, path, columns)


def _metric_problems(sweep: SweepSpec) -> Iterator[Finding]:
    wrong, right = "validation_perplexity", "validation_error"
    if is_text(sweep.data):
        wrong, right = right, wrong
    if sweep.select.metric == wrong:
        yield ("select", "metric"), f"{sweep.data.kind} has no {wrong}; it has {right} and validation_loss"


def _choices(sweep: SweepSpec) -> Iterator[tuple[KeyPath, str]]:
    """Where something is chosen by validation data: its key path, and what is chosen."""
    for path, _ in sweep.searches():
        yield path, "a search"
    if sweep.select.epoch == "best":
        yield ("select", "epoch"), "the best epoch"
    for index, chain in enumerate(sweep.chain):
        if chain.stop is not None:
            yield ("chain", index, "stop"), "a chain that stops"


def _parameter_problems(
    sweep: SweepSpec, search: Search, path: KeyPath, columns: dict[str, Column]
) -> Iterator[Finding]:
    parameters = dict(search.parameters)
    if any(column.shared_layers != "none" or column.loss.stage_outputs for column in sweep.generations.values()):
        for key in [key for key in parameters if key.startswith("network.")]:
            del parameters[key]
            yield (
                (*path, "parameters", key),
                "networks cannot be searched where layers are shared or activations compared: shapes must match; give "
                "them rows or columns of their own",
            )
    cells = [
        _SearchedCell(name, row.name, column.network_in(row), column.loss, sweep.recipe_in(row))
        for name, column in columns.items()
        for row in sweep.networks
        if row.name not in column.skip
    ]
    for wrong, message in _value_problems(parameters, cells):
        yield (*path, "parameters", *([] if wrong is None else [wrong])), message


def _value_problems(
    parameters: Mapping[str, AnyDistribution], cells: Sequence[_SearchedCell]
) -> Iterator[_ValueProblem]:
    """Yield every key's first problem; if each key of a part is valid alone, the first of their combinations."""
    known: dict[str, AnyDistribution] = {}
    for key, distribution in parameters.items():
        try:
            part_of(key)
        except HyperparameterError as error:
            yield key, error.message
        else:
            known[key] = distribution
    for part in PARTS:
        in_part = {key: distribution for key, distribution in known.items() if part_of(key) == part}
        if not in_part:
            continue
        # Cells have few different recipes, losses and networks.
        models: dict[SpecModel, list[_SearchedCell]] = {}
        for cell in cells:
            models.setdefault(getattr(cell, part), []).append(cell)
        alone = [
            (key, problem) for key, one in in_part.items() if (problem := _problem_alone(key, one, part, models, cells))
        ]
        yield from alone
        if not alone:
            yield from _problem_together(in_part, part, models, cells)


def _problem_alone(
    key: str,
    distribution: AnyDistribution,
    part: str,
    models: Mapping[SpecModel, Collection[_SearchedCell]],
    cells: Collection[_SearchedCell],
) -> str | None:
    found: dict[SpecModel, str] = {}
    for model in models:
        problem = _problem_in(model, key, distribution, part)
        if problem is not None:
            found[model] = problem
    if not found:
        return None
    return next(iter(found.values())) + _where([one for model in found for one in models[model]], cells)


def _problem_in(model: SpecModel, key: str, distribution: AnyDistribution, part: str) -> str | None:
    seen: dict[Any, JsonValue] = {}
    for value in typical_values(distribution):
        try:
            changed = with_values_in(model, part, {key: without_negative_zeros(value)})
        except HyperparameterError as error:
            if error.place == part:
                continue  # it may be valid with other values of other keys
            message = error.message if error.place == key else f"{error.place}: {error.message}"
            within = not isinstance(distribution, Grid | Choice) and value not in (distribution.low, distribution.high)
            return f"{message}; {{int: [...]}} draws whole numbers, [...] chooses from a list" if within else message
        # Two equal candidates would be one in the store.
        if isinstance(distribution, Grid | Choice) and changed in seen:
            return f"{plain_text(value)} is the same as {plain_text(seen[changed])}; remove one of them"
        seen.setdefault(changed, value)
    return None


def _problem_together(
    parameters: Mapping[str, AnyDistribution],
    part: str,
    models: Mapping[SpecModel, Collection[_SearchedCell]],
    cells: Collection[_SearchedCell],
) -> Iterator[_ValueProblem]:
    for model, where in models.items():
        for values in _combinations(parameters):
            try:
                with_values_in(model, part, values)
            except HyperparameterError as error:
                setting = " and ".join(f"{key}={plain_text(value)}" for key, value in values.items())
                ranges = any(isinstance(one, Int) for one in parameters.values())
                remedy = "; not every number of a range can be: list those that can" if ranges else ""
                key = next(iter(parameters)) if len(parameters) == 1 else None
                yield key, f"where {setting}: {error.message}{remedy}{_where(where, cells)}"
                return


def _combinations(parameters: Mapping[str, AnyDistribution]) -> Iterator[dict[str, JsonValue]]:
    """All combinations of typical values, or a random sample if there are many."""
    values = [typical_values(distribution) for distribution in parameters.values()]
    if len(values) == 1 or prod(map(len, values)) <= _TRIED:
        for combination in product(*values):
            yield dict(zip(parameters, combination, strict=True))
        return
    chance = random.Random(0)
    for _ in range(_TRIED):
        yield {key: chance.choice(one) for key, one in zip(parameters, values, strict=True)}


def _where(wrong: Collection[_SearchedCell], cells: Collection[_SearchedCell]) -> str:
    """The first row and column of the `wrong` cells, if the others are right."""
    columns, all_columns = [list(dict.fromkeys(one.column for one in some)) for some in (wrong, cells)]
    rows = list(dict.fromkeys(one.row for one in wrong if one.column == columns[0]))
    all_rows = {one.row for one in cells if one.column == columns[0]}
    text = f"; so in row {rows[0]!r}" if len(rows) < len(all_rows) else ""
    if len(columns) < len(all_columns):
        text += f"; in column {columns[0]!r}, which may have a search of its own, or search: none"
    return text
