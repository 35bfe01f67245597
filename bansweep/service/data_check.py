"""Before anything is trained: whether recipes, networks and code of the user's own suit the data."""

from __future__ import annotations

import logging

from bansweep.data.images import load_images, trained_test_images
from bansweep.data.prepare import prepare
from bansweep.data.suitability import check_suitable, check_text_suitable
from bansweep.data.text import load_text
from bansweep.plan.candidates import variants
from bansweep.plan.plan import Plan
from bansweep.spec.data import is_text
from bansweep.spec.networks import is_language_model
from bansweep.spec.own_code import code_files
from bansweep.spec.recipes import LanguageRecipe
from bansweep.spec.sweep import SweepSpec

logger = logging.getLogger(__name__)


def check_data(spec: SweepSpec, graph: Plan) -> None:
    """Prepare the data, and see that everything suits it, while that is cheap to mend.

    Side effects: prepares the data in the cache, runs user code, and logs a warning where test images are among the
    training images. Raises RequestError, DataError.
    """
    folder = prepare(spec.data)
    pairs = {
        (variant.recipe, variant.network)
        for generation in graph.generations.values()
        for variant in variants(generation)
    }
    if is_text(spec.data):
        text = load_text(spec.data, folder)
        for recipe, _ in pairs:
            assert isinstance(recipe, LanguageRecipe)
            check_text_suitable(recipe, text)
        _try_own_code(spec, graph, None, len(text.vocabulary))
        return
    images = load_images(spec.data, folder)
    _warn_of_copies(trained_test_images(spec.data, folder), len(images.test))
    for recipe, network in pairs:
        assert not isinstance(recipe, LanguageRecipe)
        assert not is_language_model(network)
        check_suitable(recipe, network, images)
    _try_own_code(spec, graph, images.input_shape, len(images.classes))


def _warn_of_copies(copies: int, test_images: int) -> None:
    if copies:
        logger.warning(
            "%s of the %s test images are also training images with the same label: "
            "test errors are lower than on new images",
            f"{copies:,}",
            f"{test_images:,}",
        )


def _try_own_code(spec: SweepSpec, graph: Plan, input_shape: tuple[int, int, int] | None, classes: int) -> None:
    """Raises RequestError where code of the user's own fails."""
    if code_files(spec):
        from bansweep.training.own_code_tried import try_own_code

        tried = [variant for generation in graph.generations.values() for variant in variants(generation)]
        try_own_code(tried, input_shape=input_shape, classes=classes, workers=spec.resources.workers or 1)
