"""Whether a sweep can choose: searched keys exist where they are searched, and there is validation data for it."""

from __future__ import annotations

from collections.abc import Iterator

from bansweep.spec.data import is_text
from bansweep.spec.distributions import extremes
from bansweep.spec.document import KeyPath
from bansweep.spec.hyperparameters import Hyperparameters, with_values
from bansweep.spec.losses import compares_stages
from bansweep.spec.search import Search
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
    found: dict[KeyPath, str] = {}
    for name, column in sweep.generations.items():
        search = sweep.search_in(column)
        if search is not None:
            own = column.search is not None
            place: KeyPath = ("generations", name, "search", "parameters") if own else ("search", "parameters")
            for path, message in _parameter_problems(sweep, name, column, search, place):
                found.setdefault(path, message)  # of a sweep's search the first column says it
    yield from found.items()


def _metric_problems(sweep: SweepSpec) -> Iterator[tuple[KeyPath, str]]:
    wrong, right = "validation_perplexity", "validation_error"
    if is_text(sweep.data):
        wrong, right = right, wrong
    if sweep.select.metric == wrong:
        yield ("select", "metric"), f"{sweep.data.kind} has no {wrong}; it has {right} and validation_loss"


def _choices(sweep: SweepSpec) -> Iterator[tuple[KeyPath, str]]:
    """Where something is chosen by validation data."""
    if sweep.search is not None:
        yield ("search",), "a search"
    for name, column in sweep.generations.items():
        if isinstance(column.search, Search):
            yield ("generations", name, "search"), "a search"
    if sweep.select.epoch == "best":
        yield ("select", "epoch"), "the best epoch"
    if any(chain.stop is not None for chain in sweep.chain):
        yield ("chain",), "a chain that stops"


def _parameter_problems(
    sweep: SweepSpec, name: str, column: Column, search: Search, path: KeyPath
) -> Iterator[tuple[KeyPath, str]]:
    for key, distribution in search.parameters.items():
        if key.startswith("network.") and _fits_other_networks(sweep):
            message = "networks cannot be searched where layers are shared or activations compared: shapes must match"
            yield (*path, key), message
            continue
        for row in sweep.networks:
            if row.name in column.skip:
                continue
            given = Hyperparameters(column.network_in(row), column.loss, sweep.recipe_in(row))
            try:
                for value in extremes(distribution):
                    with_values(given, {key: value})
            except ValueError as error:
                own = column.search is not None
                hint = "" if own else f"; in column {name!r}, which may have a search of its own, or search: none"
                yield (*path, key), f"{error}{hint}"
                break


def _fits_other_networks(sweep: SweepSpec) -> bool:
    return any(column.shared_layers != "none" or compares_stages(column.loss) for column in sweep.generations.values())
