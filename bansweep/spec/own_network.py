"""A network of the user's own, in a Python file beside the sweep file."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from bansweep.spec.own_code import KIND, OwnObject, call_problem


class OwnNetwork(OwnObject):
    """A function or class of your own: given (channels, height, width) and the number of classes, a `torch.nn.Module`.

    The module takes images (B, channels, height, width) and gives logits (B, classes).
    """

    kind: Literal["python"] = KIND

    @property
    def name(self) -> str:
        return self.code.name

    @model_validator(mode="after")
    def _can_be_called(self) -> Self:
        if problem := call_problem(self, ("input_shape", "classes")):
            raise ValueError(problem)
        return self
