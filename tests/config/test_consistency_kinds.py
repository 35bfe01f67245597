"""Images and text do not mix, and the message says what would."""

from __future__ import annotations

import pytest

from bansweep.config.reading import parse_sweep
from bansweep.config.recipes import LanguageRecipe, Recipe
from bansweep.errors import SweepFileError

TEXT = """\
name: words
data: ptb
recipe: lstm
networks:
  - lstm
  - {name: small, network: lstm-20-1, recipe: {base: cnn-lstm, epochs: 3}}
generations:
  teacher: {loss: labels}
  ban: {loss: kd+labels, teacher: teacher}
"""
IMAGES = """\
name: pictures
data: digits
recipe: wide-resnet
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
  ban: {loss: kd, teacher: teacher}
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(SweepFileError) as caught:
        parse_sweep(text, file="f.yaml")
    return [f"{problem.line}: {problem.key}: {problem.message}" for problem in caught.value.problems]


def test_rows_may_have_recipes_of_their_own() -> None:
    sweep = parse_sweep(TEXT)
    recipes = [sweep.recipe_in(row) for row in sweep.networks]
    assert all(isinstance(recipe, LanguageRecipe) for recipe in recipes)
    assert [(recipe.epochs, recipe.batch_size) for recipe in recipes] == [(40, 32), (3, 20)]
    changed = parse_sweep(TEXT, ["networks.1.recipe.epochs=7", "recipe.epochs=2"])
    assert [changed.recipe_in(row).epochs for row in changed.networks] == [2, 7]


def test_a_recipe_in_full_is_for_what_it_has_fields_for() -> None:
    assert isinstance(parse_sweep(IMAGES).recipe, Recipe)
    window = TEXT.replace("recipe: lstm\n", "recipe: {base: lstm, widow: 3}\n")
    assert problems_of(window) == ["3: recipe.widow: unknown key 'widow'; did you mean 'window'?"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEXT.replace("- lstm\n", "- wrn-10-1\n"), "wrn-10-1 cannot learn from ptb; a network for it is lstm"),
        (TEXT.replace("recipe: lstm\n", "recipe: wide-resnet\n"), "3: recipe: this recipe is not for ptb"),
        (TEXT.replace("base: cnn-lstm", "base: wide-resnet"), "this recipe is not for ptb"),
        (TEXT.replace("loss: kd+labels", "loss: kd+activations"), "no stages to compare; use kd or kd+labels"),
        (TEXT.replace("teacher: teacher}", "teacher: teacher, shared_layers: frozen}"), "share no layers; remove it"),
        (IMAGES.replace("wrn-10-1", "lstm"), "lstm cannot learn from digits; a network for it is wrn-28-10 or"),
        (IMAGES.replace("recipe: wide-resnet", "recipe: lstm"), "not for digits; one that is: wide-resnet"),
        (IMAGES.replace("teacher: teacher}", "teacher: teacher, network: lstm}"), "lstm cannot learn from digits"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(text: str, expected: str) -> None:
    assert expected in "\n".join(problems_of(text))
