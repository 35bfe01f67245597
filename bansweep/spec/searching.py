"""Whether a sweep can choose: there is validation data for it, and searched keys may have the values that are drawn."""

from __future__ import annotations

from collections.abc import Iterator

from bansweep.errors import KeyPath
from bansweep.spec.data import is_text
from bansweep.spec.losses import compares_stages
from bansweep.spec.search import Search
from bansweep.spec.searched_values import Subject, value_problems
from bansweep.spec.sweep import Column, SweepSpec


def search_problems(sweep: SweepSpec) -> Iterator[tuple[KeyPath, str]]:
    """Yield (key path, message) for what cannot be searched, or chosen. The sweep is valid in all other respects."""
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


def _metric_problems(sweep: SweepSpec) -> Iterator[tuple[KeyPath, str]]:
    wrong, right = "validation_perplexity", "validation_error"
    if is_text(sweep.data):
        wrong, right = right, wrong
    if sweep.select.metric == wrong:
        yield ("select", "metric"), f"{sweep.data.kind} has no {wrong}; it has {right} and validation_loss"


def _choices(sweep: SweepSpec) -> Iterator[tuple[KeyPath, str]]:
    """Where something is chosen by validation data."""
    for path, _ in sweep.searches():
        yield path, "a search"
    if sweep.select.epoch == "best":
        yield ("select", "epoch"), "the best epoch"
    for index, chain in enumerate(sweep.chain):
        if chain.stop is not None:
            yield ("chain", index, "stop"), "a chain that stops"


def _parameter_problems(
    sweep: SweepSpec, search: Search, path: KeyPath, columns: dict[str, Column]
) -> Iterator[tuple[KeyPath, str]]:
    parameters = dict(search.parameters)
    if any(column.shared_layers != "none" or compares_stages(column.loss) for column in sweep.generations.values()):
        for key in [key for key in parameters if key.startswith("network.")]:
            del parameters[key]
            yield (
                (*path, "parameters", key),
                "networks cannot be searched where layers are shared or activations compared: shapes must match; give "
                "them rows or columns of their own",
            )
    subjects = [
        Subject(name, row.name, column.network_in(row), column.loss, sweep.recipe_in(row))
        for name, column in columns.items()
        for row in sweep.networks
        if row.name not in column.skip
    ]
    for wrong, message in value_problems(parameters, subjects):
        yield (*path, "parameters", *([] if wrong is None else [wrong])), message
