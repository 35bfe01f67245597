"""A custom loss: the mean of the per-sample losses that a function in user code returns."""

from __future__ import annotations

from torch import Tensor

from bansweep.config.losses import UserLoss
from bansweep.losses.builder import DistillationLoss, LossInputs, builds
from bansweep.losses.building_blocks import mean
from bansweep.user_code import user_function, wrong_result


@builds(UserLoss)
def _build_user_loss(spec: UserLoss) -> DistillationLoss:
    """The user's function takes logits (B, C) of student and teacher (None without one), in float32, and labels (B,).

    Raises TrainingError if it fails, or returns anything but one loss per sample.
    """
    terms = user_function(spec)

    def loss(of: LossInputs) -> Tensor:
        teacher_logits_BC = None if of.teacher is None else of.teacher.logits_BC.float()
        terms_B = terms(of.student.logits_BC.float(), teacher_logits_BC, of.labels_B)
        if not isinstance(terms_B, Tensor) or terms_B.shape != of.labels_B.shape:
            got = f"shape {tuple(terms_B.shape)}" if isinstance(terms_B, Tensor) else type(terms_B).__name__
            raise wrong_result(spec.code, f"each sample's loss, a tensor of shape {tuple(of.labels_B.shape)}", got)
        return mean(terms_B.float(), of.batch)

    return loss
