"""A loss of the user's own: a function that gives each sample's loss, of which this is the mean."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from bansweep.config.losses import UserLoss
from bansweep.losses.building_blocks import GlobalBatch, mean
from bansweep.user_code import user_function, wrong_result

OwnTerms = Callable[[Tensor, Tensor | None, Tensor, GlobalBatch], Tensor]


def user_loss(spec: UserLoss) -> OwnTerms:
    """From logits (B, C) of student and teacher (None without one), in float32, and labels (B,), to this worker's share
    of the mean over the global batch. Raises TrainingError where the user's code fails, or returns something else."""
    terms = user_function(spec)

    def loss(
        student_logits_BC: Tensor, teacher_logits_BC: Tensor | None, labels_B: Tensor, batch: GlobalBatch
    ) -> Tensor:
        teacher = None if teacher_logits_BC is None else teacher_logits_BC.float()
        terms_B = terms(student_logits_BC.float(), teacher, labels_B)
        if not isinstance(terms_B, Tensor) or terms_B.shape != labels_B.shape:
            got = f"shape {tuple(terms_B.shape)}" if isinstance(terms_B, Tensor) else type(terms_B).__name__
            raise wrong_result(spec.code, f"each sample's loss, a tensor of shape {tuple(labels_B.shape)}", got)
        return mean(terms_B.float(), batch)

    return loss
