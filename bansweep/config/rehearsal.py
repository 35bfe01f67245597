"""A rehearsal: every generation of a sweep, each with a handful of data, before GPU hours are spent on it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from bansweep.config.data import DataSpec, is_text
from bansweep.config.recipes import AnyRecipe, LanguageRecipe
from bansweep.config.search import Search
from bansweep.config.sweep import SweepSpec

# The most that a rehearsal takes; a sweep that has less is not extended.
IMAGES = 16
TEST_IMAGES = 8
# Running batch statistics begin far from the truth. In a network of a thousand layers eight steps of small batches
# bring them near enough for evaluation to stay finite; four steps would not.
BATCH_SIZE = 2

TOKENS = 400
TEST_TOKENS = 100
STREAMS = 4
WINDOW = 10

CANDIDATES = 3

_NOT_SEARCHED = ("recipe.epochs", "recipe.batch_size", "recipe.window")
_SUFFIX = "-rehearsal"


def rehearsal_overrides(sweep: SweepSpec, changes: Sequence[str] = (), *, in_fp32: bool = False) -> tuple[str, ...]:
    """The `--set` options that make a rehearsal of a valid sweep: same graph, same networks, little data, one epoch.

    `in_fp32` replaces bf16, for CPUs on which bf16 is many times slower.

    `changes` are the user's overrides, with which `sweep` was read; those of the rehearsal follow them. A change of a
    key that a rehearsal sets, such as `recipe.epochs=3`, is meant for the rehearsal and is repeated. After a larger
    change (`recipe=lstm`) the sweep is rehearsed like any other. The name always marks a rehearsal.
    """
    overrides = (
        *_data(sweep.data),
        *_recipe("recipe", sweep.recipe, sweep.data),
        *(
            override
            for index, row in enumerate(sweep.networks)
            if row.recipe is not None
            for override in _recipe(f"networks.{index}.recipe", row.recipe, sweep.data)
        ),
        # For any machine. Compiling takes minutes a network, and pays off after thousands of steps.
        "resources.workers=null",
        "resources.gpus_per_worker=null",
        "resources.cpus_per_worker=1",
        "resources.compile=false",
        *(("resources.precision=fp32",) if in_fp32 and sweep.resources.precision == "bf16" else ()),
    )
    candidates = tuple(override for path, search in sweep.searches() for override in _candidates(path, search))
    keys = set(map(_key, (*overrides, *candidates)))
    meant_for_it = (change for change in changes if _key(change) in keys)
    # After the changes: a search that a change adds is cut down like one of the file.
    cut = (override for path, search in sweep.searches() for override in _cut(path, search))
    return (*overrides, *candidates, *meant_for_it, *cut, f"name={sweep.name[: 80 - len(_SUFFIX)]}{_SUFFIX}")


def _candidates(path: Sequence[str], search: Search) -> Iterator[str]:
    """All points of a grid are rehearsed."""
    if search.sampling != "grid":
        yield f"{'.'.join(path)}.candidates={min(search.size, CANDIDATES)}"


def _cut(path: Sequence[str], search: Search) -> Iterator[str]:
    """A search without the keys that a rehearsal sets."""
    key = ".".join(path)
    left = {name: one for name, one in search.parameters.items() if name not in _NOT_SEARCHED}
    if not left:
        # Without `none`, a column has the sweep's search.
        yield f"{key}={'null' if key == 'search' else 'none'}"
    elif len(left) < len(search.parameters):
        yield f"{key}.parameters={json.dumps({name: one.model_dump(mode='json') for name, one in left.items()})}"
        if search.sampling == "grid":
            yield f"{key}.candidates=null"


def _key(override: str) -> str:
    return override.partition("=")[0].strip()


def _data(data: DataSpec) -> Iterator[str]:
    most, most_for_tests = (TOKENS, TEST_TOKENS) if is_text(data) else (IMAGES, TEST_IMAGES)
    yield f"data.limit={_least(data.limit, most)}"
    yield f"data.test_limit={_least(data.test_limit, most_for_tests)}"
    if not is_text(data) and data.validation:
        yield f"data.validation={min(data.validation, TEST_IMAGES)}"


def _recipe(key: str, recipe: AnyRecipe, data: DataSpec) -> Iterator[str]:
    yield f"{key}.epochs=1"
    most = STREAMS if isinstance(recipe, LanguageRecipe) else BATCH_SIZE
    # At most the size of the training data.
    yield f"{key}.batch_size={_least(data.limit, min(recipe.batch_size, most))}"
    if isinstance(recipe, LanguageRecipe):
        yield f"{key}.window={min(recipe.window, WINDOW)}"


def _least(limit: int | None, most: int) -> int:
    """`most`, or the sweep's `limit` if that is less."""
    return most if limit is None else min(limit, most)
