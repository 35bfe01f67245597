"""What a sweep file may say of a loss: a name (`kd`), or `{kind: ...}` with options."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from bansweep.spec.model import SpecModel


class LabelsLoss(SpecModel):
    """Cross-entropy with the labels (Eq. 1): the only loss that needs no teacher."""

    kind: Literal["labels"] = "labels"


class KdLoss(SpecModel):
    """Cross-entropy with the teacher's distribution (Eqs. 2, 3): "BAN"."""

    kind: Literal["kd"] = "kd"


class KdLabelsLoss(SpecModel):
    """The sum of `kd` and `labels`: "BAN+L"."""

    kind: Literal["kd+labels"] = "kd+labels"


class CwtmLoss(SpecModel):
    """Label cross-entropy, each sample weighted by its teacher's largest probability (Eq. 10)."""

    kind: Literal["cwtm"] = "cwtm"


class DkppLoss(SpecModel):
    """KD against a teacher whose non-argmax probabilities are permuted within each sample (Eq. 11).

    `permutation`: `fresh` draws one for every step, `fixed` keeps one for each sample. The paper does not say which.
    """

    kind: Literal["dkpp"] = "dkpp"
    permutation: Literal["fresh", "fixed"] = "fresh"


LOSS_KINDS = ("labels", "kd", "kd+labels", "cwtm", "dkpp")


def _from_shorthand(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


LossSpec = Annotated[
    Annotated[LabelsLoss | KdLoss | KdLabelsLoss | CwtmLoss | DkppLoss, Field(discriminator="kind")],
    BeforeValidator(_from_shorthand),
]


def needs_teacher(loss: LossSpec) -> bool:
    """Whether the loss compares the student with a teacher."""
    return not isinstance(loss, LabelsLoss)
