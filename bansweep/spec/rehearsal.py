"""A rehearsal: every generation of a sweep, each with a handful of data, before GPU hours are spent on it."""

from __future__ import annotations

from collections.abc import Iterator

from bansweep.spec.data import DataSpec, is_text
from bansweep.spec.recipes import AnyRecipe, LanguageRecipe
from bansweep.spec.sweep import SweepSpec

IMAGES = 16
TEST_IMAGES = 8
# Running batch statistics begin far from the truth. In a network of a thousand layers eight steps of small batches
# bring them near enough for evaluation to stay finite; four steps would not.
BATCH_SIZE = 2

TOKENS = 400
TEST_TOKENS = 100
STREAMS = 4
WINDOW = 10

_SUFFIX = "-rehearsal"


def rehearsal_overrides(sweep: SweepSpec) -> tuple[str, ...]:
    """The `--set` options that make a rehearsal of a valid sweep: same graph, same networks, little data, one epoch.

    They come before a user's own, which may change them again.
    """
    return (
        f"name={sweep.name[: 80 - len(_SUFFIX)]}{_SUFFIX}",
        *_data(sweep.data),
        *_recipe("recipe", sweep.recipe),
        *(
            override
            for index, row in enumerate(sweep.networks)
            if row.recipe is not None
            for override in _recipe(f"networks.{index}.recipe", row.recipe)
        ),
        # On whatever machine is at hand. Compiling costs minutes a network, and pays after thousands of steps.
        "resources.workers=null",
        "resources.gpus_per_worker=null",
        "resources.cpus_per_worker=1",
        "resources.concurrency=null",
        "resources.compile=false",
    )


def _data(data: DataSpec) -> Iterator[str]:
    if is_text(data):
        yield from (f"data.limit={TOKENS}", f"data.test_limit={TEST_TOKENS}")
        return
    yield from (f"data.limit={IMAGES}", f"data.test_limit={TEST_IMAGES}")
    if data.validation:
        yield f"data.validation={min(data.validation, TEST_IMAGES)}"


def _recipe(key: str, recipe: AnyRecipe) -> Iterator[str]:
    yield f"{key}.epochs=1"
    if isinstance(recipe, LanguageRecipe):
        yield from (f"{key}.batch_size={STREAMS}", f"{key}.window={WINDOW}")
    else:
        yield f"{key}.batch_size={BATCH_SIZE}"
