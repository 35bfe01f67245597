"""How generations are optimised: named recipes, and changes to their fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from bansweep.config.base import SpecModel, nearest


class Augmentation(SpecModel):
    """Random crops of the padded image, and horizontal flips. `pad` is in pixels; 0 crops nothing."""

    pad: int = Field(
        default=4, ge=0, le=64, description="pixels added on each side before an image is cropped; 0 crops nothing"
    )
    fill: Literal["reflect", "zero"] = Field(
        default="reflect", description="what is added: the image mirrored at its edge, or zeros"
    )
    flip: bool = Field(default=True, description="flip every other image, at random, from left to right")


class Recipe(SpecModel):
    """For images: stochastic gradient descent with momentum and a step schedule.

    The learning rate is multiplied by `decay_factor` after each fraction of all epochs in `decay_at`, so that a
    shorter run has a schedule of the same shape.
    """

    epochs: int = Field(ge=1, le=100_000, description="passes through the training images")
    batch_size: int = Field(ge=1, le=1_000_000, description="images a step, over all workers")
    learning_rate: float = Field(gt=0, description="before the first decay")
    momentum: float = Field(ge=0, lt=1, description="of stochastic gradient descent")
    nesterov: bool = Field(description="Nesterov's momentum")
    weight_decay: float = Field(ge=0, description="on all parameters")
    decay_at: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        description="fractions of all epochs after which the rate is multiplied by `decay_factor`; they rise"
    )
    decay_factor: float = Field(gt=0, le=1, description="what the learning rate is multiplied by")
    augmentation: Augmentation | None = Field(description="random crops and flips; null: none")

    @model_validator(mode="after")
    def _is_a_schedule(self) -> Self:
        if list(self.decay_at) != sorted(set(self.decay_at)):
            raise ValueError(f"decay_at must rise, not {list(self.decay_at)}")
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class LanguageRecipe(SpecModel):
    """For text: plain stochastic gradient descent, clipped, with a schedule that watches the validation perplexity.

    The text is cut into `batch_size` streams that are read side by side, `window` tokens a step; the hidden state is
    carried from window to window. A step's loss is summed over the window and averaged over the streams, as in the
    recipes' sources; `learning_rate` and `clip_norm` refer to that sum. The learning rate is multiplied by
    `decay_factor` after an epoch whose validation perplexity is not at least `decay_threshold` below that of the epoch
    before it; with a threshold of 0, after one in which it did not fall.
    """

    epochs: int = Field(ge=1, le=100_000, description="passes through the training text")
    batch_size: int = Field(ge=1, le=1_000_000, description="streams, over all workers")
    window: int = Field(ge=1, le=100_000, description="time steps through which gradients go back")
    learning_rate: float = Field(gt=0, description="for a loss summed over the window and averaged over the streams")
    decay_factor: float = Field(gt=0, le=1, description="what the learning rate is multiplied by")
    decay_threshold: float = Field(ge=0, description="perplexity")
    clip_norm: float = Field(gt=0, description="largest L2 norm of a step's gradient")


# Section 4 of the paper follows Zagoruyko & Komodakis: 200 epochs, decays after 60, 120 and 160 of them.
WIDE_RESNET = {
    "epochs": 200,
    "batch_size": 128,
    "learning_rate": 0.1,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 5e-4,
    "decay_at": (0.3, 0.6, 0.8),
    "decay_factor": 0.2,
    "augmentation": Augmentation(),
}
# Section 4.2; windows and clipping are those of Zaremba et al. (2014).
LSTM = {
    "epochs": 40,
    "batch_size": 32,
    "window": 35,
    "learning_rate": 1.0,
    "decay_factor": 0.25,
    "decay_threshold": 0.0,
    "clip_norm": 10.0,
}
# Section 4.2; windows and clipping are those of Kim et al. (2016).
CNN_LSTM = {
    "epochs": 40,
    "batch_size": 20,
    "window": 35,
    "learning_rate": 2.0,
    "decay_factor": 0.5,
    "decay_threshold": 0.5,
    "clip_norm": 5.0,
}

RECIPES: dict[str, dict[str, Any]] = {"wide-resnet": WIDE_RESNET, "lstm": LSTM, "cnn-lstm": CNN_LSTM}


def _from_base(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """A name, or `{base: name, ...}` with changed fields, as a whole recipe."""
    if isinstance(value, str):
        value = {"base": value}
    if not isinstance(value, dict) or "base" not in value:
        return read(value)
    changes = dict(value)
    base = changes.pop("base")
    if not isinstance(base, str) or base not in RECIPES:
        raise ValueError(f"unknown recipe {base!r}; {nearest(str(base), RECIPES)}")
    # Not for the union, which would take a `window` for a sign of text and reject the keys of the base.
    foreign = {key: changes.pop(key) for key in list(changes) if key not in RECIPES[base] and _bases_with(key)}
    problems = [_problem((key,), _foreign_key(key, base), given) for key, given in foreign.items()]
    try:
        recipe = read({**RECIPES[base], **changes})
    except ValidationError as error:
        problems += [_problem(line["loc"], line["msg"], line["input"]) for line in error.errors(include_url=False)]
    if problems:
        raise ValidationError.from_exception_data("recipe", problems)
    return recipe


def _bases_with(key: str) -> list[str]:
    return [base for base, recipe in RECIPES.items() if key in recipe]


def _foreign_key(key: str, base: str) -> str:
    owners = " and ".join(_bases_with(key))
    return f"{key!r} is no key of the recipe {base!r}, but of {owners}; {nearest(key, RECIPES[base])}"


def _problem(location: tuple[int | str, ...], message: str, value: Any) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("spec", "{text}", {"text": message}), loc=location, input=value)


def _modality(value: Any) -> str:
    """Which of the two recipes a value is: only text is read in windows."""
    reads_text = "window" in value if isinstance(value, dict) else isinstance(value, LanguageRecipe)
    return "language" if reads_text else "images"


AnyRecipe = Recipe | LanguageRecipe

RecipeSpec = Annotated[
    Annotated[Annotated[Recipe, Tag("images")] | Annotated[LanguageRecipe, Tag("language")], Discriminator(_modality)],
    WrapValidator(_from_base),
]
