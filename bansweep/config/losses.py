"""What a sweep file may say of a loss: a name (`kd`), or `{kind: ...}` with options.

An option's default is the paper's loss.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from bansweep.config.base import SpecModel, kind_from_name
from bansweep.config.user_code import KIND, UserObject, call_problem
from bansweep.formatting import setting_text

Permutation = Literal["fresh", "fixed"]


class Loss(SpecModel):
    """The base of all losses. Each declares here what it asks for; all other code reads these declarations.

    `teacher`: whether the loss compares the student's logits with a teacher's. With `optional` a column may have no
    teacher. `labels`: whether the labels act on the loss. `stage_outputs`: whether the loss compares stage outputs,
    which student and teacher must then have in the same shapes.
    """

    teacher: ClassVar[Literal["none", "optional", "required"]]
    labels: ClassVar[bool]
    stage_outputs: ClassVar[bool] = False

    @property
    def permutation_keys(self) -> Permutation | None:
        """When the loss draws its random keys: in every step, or once for each sample; None if it needs none."""
        return None

    @property
    @abstractmethod
    def words(self) -> str:
        """What the loss compares, with its equation in the paper, without a full stop at the end."""


class LabelsLoss(Loss):
    """Cross-entropy with the labels (Eq. 1): the only loss that needs no teacher.

    `smoothing` is the part of the label's probability that is spread evenly over all classes.
    """

    teacher: ClassVar = "none"
    labels: ClassVar = True

    kind: Literal["labels"] = "labels"
    smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="part of the label's probability that is dealt out to all classes alike"
    )

    @property
    def words(self) -> str:
        smoothing = f", smoothed by {setting_text(self.smoothing)}" if self.smoothing else ""
        return f"cross-entropy with the labels (Eq. 1){smoothing}"


class KdLoss(Loss):
    """Cross-entropy with the teacher's distribution (Eqs. 2, 3): "BAN".

    `temperature` T softens both distributions, with T^2 before the loss (Hinton et al., 2015). The paper has none.
    """

    teacher: ClassVar = "required"
    labels: ClassVar = False

    kind: Literal["kd"] = "kd"
    temperature: float = Field(
        default=1.0, gt=0, le=1000, description="softens both distributions, with its square before the loss"
    )

    @property
    def words(self) -> str:
        return f"cross-entropy with the teacher's probabilities (Eqs. 2 and 3){_at_temperature(self.temperature)}"


class KdLabelsLoss(Loss):
    """The sum of `kd` and `labels`: "BAN+L".

    `temperature` is that of `kd` and leaves the labels alone. With a number a as `mixing` the loss is not the sum, but
    a times `kd` plus 1 - a times `labels` (Hinton et al., 2015).
    """

    teacher: ClassVar = "required"
    labels: ClassVar = True

    kind: Literal["kd+labels"] = "kd+labels"
    temperature: float = Field(default=1.0, gt=0, le=1000, description="of the teacher's part")
    mixing: float | None = Field(
        default=None, ge=0, le=1, description="null is the sum; a number a is a times `kd` plus 1 - a times `labels`"
    )

    @property
    def words(self) -> str:
        weights = (
            "the sum of" if self.mixing is None else f"{setting_text(self.mixing)} : {setting_text(1 - self.mixing)} of"
        )
        return (
            f"{weights} cross-entropy with the teacher's probabilities (Eqs. 2 and 3)"
            f"{_at_temperature(self.temperature)} and with the labels (Eq. 1)"
        )


class CwtmLoss(Loss):
    """Label cross-entropy, each sample weighted by its teacher's confidence.

    `confidence`: `max` is the teacher's largest probability (Eq. 10), `label` its probability of the right class, the
    importance weighting that CWTM approximates (Eq. 9).
    """

    teacher: ClassVar = "required"
    labels: ClassVar = True

    kind: Literal["cwtm"] = "cwtm"
    confidence: Literal["max", "label"] = Field(
        default="max",
        description="weigh by the teacher's largest probability (Eq. 10), or by its probability of the label (Eq. 9)",
    )

    @property
    def words(self) -> str:
        weight = "largest probability (Eq. 10)" if self.confidence == "max" else "probability of its label (Eq. 9)"
        return f"cross-entropy with the labels, each sample weighted by the teacher's {weight}"


class DkppLoss(Loss):
    """KD against a teacher whose non-argmax probabilities are permuted within each sample (Eq. 11).

    `permutation`: `fresh` draws one in every step, `fixed` one for each sample. The paper does not say which.
    """

    teacher: ClassVar = "required"
    labels: ClassVar = False

    kind: Literal["dkpp"] = "dkpp"
    permutation: Permutation = Field(default="fresh", description="drawn in every step, or once for each sample")

    @property
    def permutation_keys(self) -> Permutation:
        return self.permutation

    @property
    def words(self) -> str:
        drawn = "drawn in every step" if self.permutation == "fresh" else "drawn once for each sample"
        return (
            "cross-entropy with the teacher's probabilities, those of all but its likeliest class permuted "
            f"(Eq. 11; {drawn})"
        )


class ActivationsLoss(Loss):
    """`kd` plus `weight` times the mean squared difference between stage outputs of student and teacher.

    `ramp`: with `linear` the weight grows from 0 in the first epoch to `weight` in the last. This is our reading of
    "progressively constraining the BANs to be more similar to their teachers" (section 4.1); the paper has no formula.
    """

    teacher: ClassVar = "required"
    labels: ClassVar = False
    stage_outputs: ClassVar = True

    kind: Literal["kd+activations"] = "kd+activations"
    weight: float = Field(default=1.0, gt=0, description="before the mean squared difference")
    ramp: Literal["constant", "linear"] = Field(
        default="constant", description="`linear`: the weight grows from 0 in the first epoch to itself in the last"
    )

    @property
    def words(self) -> str:
        ramp = "" if self.ramp == "constant" else ", growing from 0 over the epochs"
        return (
            "cross-entropy with the teacher's probabilities (Eqs. 2 and 3) and the mean squared difference of the "
            f"stages' outputs (section 4.1), weighted by {setting_text(self.weight)}{ramp}"
        )


class UserLoss(UserObject, Loss):
    """A user function: given logits (B, C) of student and teacher, and labels (B,), it returns losses (B,).

    The loss is their mean over the batch. Without a `teacher` in its column, the teacher's logits are None.
    """

    teacher: ClassVar[Literal["optional"]] = "optional"
    labels: ClassVar = True

    kind: Literal["python"] = KIND

    @model_validator(mode="after")
    def _can_be_called(self) -> Self:
        if problem := call_problem(self, ("student_logits_BC", "teacher_logits_BC", "labels_B")):
            raise ValueError(problem)
        return self

    @property
    def words(self) -> str:
        return f"the function `{self.code.name}` of your own"


def _at_temperature(temperature: float) -> str:
    return "" if temperature == 1 else f" at temperature {setting_text(temperature)}"


_AnyLoss = LabelsLoss | KdLoss | KdLabelsLoss | CwtmLoss | DkppLoss | ActivationsLoss | UserLoss
LossSpec = Annotated[Annotated[_AnyLoss, Field(discriminator="kind")], BeforeValidator(kind_from_name)]
LOSSES: Final[Mapping[str, type[Loss]]] = {loss.model_fields["kind"].default: loss for loss in get_args(_AnyLoss)}
"""All losses by their kinds."""


def loss_name(loss: LossSpec) -> str:
    """The loss's name in output: its kind, or that of the user's function."""
    return loss.code.name if isinstance(loss, UserLoss) else loss.kind
