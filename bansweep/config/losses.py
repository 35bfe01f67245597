"""What a sweep file may say of a loss: a name (`kd`), or `{kind: ...}` with options.

An option's default is the paper's loss.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from bansweep.config.base import SpecModel
from bansweep.config.user_code import KIND, UserObject, call_problem


class LabelsLoss(SpecModel):
    """Cross-entropy with the labels (Eq. 1): the only loss that needs no teacher.

    `smoothing` is the part of the label's probability that is dealt out to all classes alike.
    """

    kind: Literal["labels"] = "labels"
    smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="part of the label's probability that is dealt out to all classes alike"
    )


class KdLoss(SpecModel):
    """Cross-entropy with the teacher's distribution (Eqs. 2, 3): "BAN".

    `temperature` T softens both distributions, with T^2 before the loss (Hinton et al., 2015). The paper has none.
    """

    kind: Literal["kd"] = "kd"
    temperature: float = Field(
        default=1.0, gt=0, le=1000, description="softens both distributions, with its square before the loss"
    )


class KdLabelsLoss(SpecModel):
    """The sum of `kd` and `labels`: "BAN+L".

    `temperature` is that of `kd` and leaves the labels alone. With a number a as `mixing` the loss is not the sum, but
    a times `kd` plus 1 - a times `labels` (Hinton et al., 2015).
    """

    kind: Literal["kd+labels"] = "kd+labels"
    temperature: float = Field(default=1.0, gt=0, le=1000, description="of the teacher's part")
    mixing: float | None = Field(
        default=None, ge=0, le=1, description="null is the sum; a number a is a times `kd` plus 1 - a times `labels`"
    )


class CwtmLoss(SpecModel):
    """Label cross-entropy, each sample weighted by its teacher's confidence.

    `confidence`: `max` is the teacher's largest probability (Eq. 10), `label` its probability of the right class, the
    importance weighting that CWTM approximates (Eq. 9).
    """

    kind: Literal["cwtm"] = "cwtm"
    confidence: Literal["max", "label"] = Field(
        default="max",
        description="weigh by the teacher's largest probability (Eq. 10), or by its probability of the label (Eq. 9)",
    )


class DkppLoss(SpecModel):
    """KD against a teacher whose non-argmax probabilities are permuted within each sample (Eq. 11).

    `permutation`: `fresh` draws one for every step, `fixed` keeps one for each sample. The paper does not say which.
    """

    kind: Literal["dkpp"] = "dkpp"
    permutation: Literal["fresh", "fixed"] = Field(
        default="fresh", description="drawn anew in every step, or once for each sample"
    )


class ActivationsLoss(SpecModel):
    """`kd` plus `weight` times the mean squared difference between stage outputs of student and teacher.

    `ramp`: with `linear` the weight grows from 0 in the first epoch to `weight` in the last. This is our reading of
    "progressively constraining the BANs to be more similar to their teachers" (section 4.1); the paper has no formula.
    """

    kind: Literal["kd+activations"] = "kd+activations"
    weight: float = Field(default=1.0, gt=0, description="before the mean squared difference")
    ramp: Literal["constant", "linear"] = Field(
        default="constant", description="`linear`: the weight grows from 0 in the first epoch to itself in the last"
    )


class UserLoss(UserObject):
    """A function of your own: given logits (B, C) of student and teacher, and labels (B,), it returns losses (B,).

    The loss is their mean over the batch. `teacher` may be left out of its column: it is None then.
    """

    kind: Literal["python"] = KIND

    @model_validator(mode="after")
    def _can_be_called(self) -> Self:
        if problem := call_problem(self, ("student_logits_BC", "teacher_logits_BC", "labels_B")):
            raise ValueError(problem)
        return self


TAUGHT_KINDS = ("kd", "kd+labels", "cwtm", "dkpp", "kd+activations")
LOSS_KINDS = ("labels", *TAUGHT_KINDS, KIND)


def _from_shorthand(value: Any) -> Any:
    """A name, which is `{kind: NAME}`, or in full."""
    return {"kind": value} if isinstance(value, str) else value


LossSpec = Annotated[
    Annotated[
        LabelsLoss | KdLoss | KdLabelsLoss | CwtmLoss | DkppLoss | ActivationsLoss | UserLoss,
        Field(discriminator="kind"),
    ],
    BeforeValidator(_from_shorthand),
]


def loss_name(loss: LossSpec) -> str:
    """What people call it: its kind, or the name of a function of their own."""
    return loss.code.name if isinstance(loss, UserLoss) else loss.kind


def needs_teacher(loss: LossSpec) -> bool:
    """Whether the loss compares the student with a teacher, where there is one."""
    return not isinstance(loss, LabelsLoss)


def can_do_without(loss: LossSpec) -> bool:
    """Whether a column with this loss may have no teacher: only the user knows what a loss of their own asks of one."""
    return isinstance(loss, LabelsLoss | UserLoss)


def compares_stages(loss: LossSpec) -> bool:
    """Whether the loss compares stage outputs, which student and teacher must then have in the same shapes."""
    return isinstance(loss, ActivationsLoss)
