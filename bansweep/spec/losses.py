"""What a sweep file may say of a loss: a name (`kd`), or `{kind: ...}` with options.

An option's default is the paper's loss.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from bansweep.spec.model import SpecModel


class LabelsLoss(SpecModel):
    """Cross-entropy with the labels (Eq. 1): the only loss that needs no teacher.

    `smoothing` is the part of the label's probability that is dealt out to all classes alike.
    """

    kind: Literal["labels"] = "labels"
    smoothing: float = Field(default=0.0, ge=0, lt=1)


class KdLoss(SpecModel):
    """Cross-entropy with the teacher's distribution (Eqs. 2, 3): "BAN".

    `temperature` T softens both distributions, with T^2 before the loss (Hinton et al., 2015). The paper has none.
    """

    kind: Literal["kd"] = "kd"
    temperature: float = Field(default=1.0, gt=0, le=1000)


class KdLabelsLoss(SpecModel):
    """The sum of `kd` and `labels`: "BAN+L".

    `temperature` is that of `kd` and leaves the labels alone. With a number a as `mixing` the loss is not the sum, but
    a times `kd` plus 1 - a times `labels` (Hinton et al., 2015).
    """

    kind: Literal["kd+labels"] = "kd+labels"
    temperature: float = Field(default=1.0, gt=0, le=1000)
    mixing: float | None = Field(default=None, ge=0, le=1)


class CwtmLoss(SpecModel):
    """Label cross-entropy, each sample weighted by its teacher's confidence.

    `confidence`: `max` is the teacher's largest probability (Eq. 10), `label` its probability of the right class, the
    importance weighting that CWTM approximates (Eq. 9).
    """

    kind: Literal["cwtm"] = "cwtm"
    confidence: Literal["max", "label"] = "max"


class DkppLoss(SpecModel):
    """KD against a teacher whose non-argmax probabilities are permuted within each sample (Eq. 11).

    `permutation`: `fresh` draws one for every step, `fixed` keeps one for each sample. The paper does not say which.
    """

    kind: Literal["dkpp"] = "dkpp"
    permutation: Literal["fresh", "fixed"] = "fresh"


class ActivationsLoss(SpecModel):
    """`kd` plus `weight` times the mean squared difference between stage outputs of student and teacher.

    `ramp`: with `linear` the weight grows from 0 in the first epoch to `weight` in the last. This is our reading of
    "progressively constraining the BANs to be more similar to their teachers" (section 4.1); the paper has no formula.
    """

    kind: Literal["kd+activations"] = "kd+activations"
    weight: float = Field(default=1.0, gt=0)
    ramp: Literal["constant", "linear"] = "constant"


LOSS_KINDS = ("labels", "kd", "kd+labels", "cwtm", "dkpp", "kd+activations")


def _from_shorthand(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


LossSpec = Annotated[
    Annotated[LabelsLoss | KdLoss | KdLabelsLoss | CwtmLoss | DkppLoss | ActivationsLoss, Field(discriminator="kind")],
    BeforeValidator(_from_shorthand),
]


def needs_teacher(loss: LossSpec) -> bool:
    """Whether the loss compares the student with a teacher."""
    return not isinstance(loss, LabelsLoss)


def compares_stages(loss: LossSpec) -> bool:
    """Whether the loss compares stage outputs, which student and teacher must then have in the same shapes."""
    return isinstance(loss, ActivationsLoss)
