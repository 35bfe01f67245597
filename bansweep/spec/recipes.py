"""How a generation is optimised: named recipes, and changes to their fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from bansweep.spec.model import SpecModel, nearest


class Augmentation(SpecModel):
    """Random crops of the padded image, and horizontal flips. `pad` is in pixels; 0 crops nothing."""

    pad: int = Field(default=4, ge=0, le=64)
    fill: Literal["reflect", "zero"] = "reflect"
    flip: bool = True


class Recipe(SpecModel):
    """Stochastic gradient descent with momentum and a step schedule.

    The learning rate is multiplied by `decay_factor` when each of the fractions `decay_at` of all epochs is over,
    so that a shorter run keeps the schedule's shape.
    """

    epochs: int = Field(ge=1, le=100_000)
    batch_size: int = Field(ge=1, le=1_000_000, description="images a step, over all workers")
    learning_rate: float = Field(gt=0)
    momentum: float = Field(ge=0, lt=1)
    nesterov: bool
    weight_decay: float = Field(ge=0)
    decay_at: tuple[Annotated[float, Field(gt=0, lt=1)], ...]
    decay_factor: float = Field(gt=0, le=1)
    augmentation: Augmentation | None

    @model_validator(mode="after")
    def _is_a_schedule(self) -> Self:
        if list(self.decay_at) != sorted(set(self.decay_at)):
            raise ValueError(f"decay_at must rise, not {list(self.decay_at)}")
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


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

RECIPES: dict[str, dict[str, Any]] = {"wide-resnet": WIDE_RESNET}


def _from_base(value: Any) -> Any:
    """A name, or `{base: name, ...}` with changed fields, as a whole recipe."""
    if isinstance(value, str):
        value = {"base": value}
    if not isinstance(value, dict) or "base" not in value:
        return value
    changes = dict(value)
    base = changes.pop("base")
    if not isinstance(base, str) or base not in RECIPES:
        raise ValueError(f"unknown recipe {base!r}; {nearest(str(base), RECIPES)}")
    return {**RECIPES[base], **changes}


RecipeSpec = Annotated[Recipe, BeforeValidator(_from_base)]
