"""A rehearsal: every generation of a sweep, each with a handful of images, before GPU hours are spent on it."""

from __future__ import annotations

from bansweep.spec.sweep import SweepSpec

IMAGES = 16
TEST_IMAGES = 8
# Running batch statistics begin far from the truth. In a network of a thousand layers eight steps of small batches
# bring them near enough for evaluation to stay finite; four steps would not.
BATCH_SIZE = 2
_SUFFIX = "-rehearsal"


def rehearsal_overrides(sweep: SweepSpec) -> tuple[str, ...]:
    """The `--set` options that make a rehearsal of a valid sweep: same graph, same networks, few images, one epoch.

    They come before a user's own, which may change them again.
    """
    overrides = [
        f"name={sweep.name[: 80 - len(_SUFFIX)]}{_SUFFIX}",
        "recipe.epochs=1",
        f"recipe.batch_size={BATCH_SIZE}",
        f"data.limit={IMAGES}",
        f"data.test_limit={TEST_IMAGES}",
        # On whatever machine is at hand. Compiling costs minutes a network, and pays after thousands of steps.
        "resources.workers=null",
        "resources.gpus_per_worker=null",
        "resources.cpus_per_worker=1",
        "resources.concurrency=null",
        "resources.compile=false",
    ]
    if sweep.data.validation:
        overrides.append(f"data.validation={min(sweep.data.validation, TEST_IMAGES)}")
    return tuple(overrides)
