"""DKPP, dark knowledge with permuted predictions: KD without the teacher's knowledge of similar classes (Eq. 11).

The teacher's largest probability stays at its class; the others ("dark knowledge") are permuted at random within each
sample, phi. With p the teacher's and q the student's distribution,

    L = -(1/b) sum_s (max p_.,s log q_max,s + sum_{i != max} phi(p)_i,s log q_i,s)
    dL/dz_i,s = (q_i,s - phi(p)_i,s) / b,    phi(p)_max = max p

The permutation follows from random keys that the caller draws, either in every step or once per sample.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bansweep.config.losses import DkppLoss
from bansweep.losses.builder import DistillationLoss, LossInputs, builds
from bansweep.losses.building_blocks import GlobalBatch, cross_entropies, mean, teacher_probabilities


def permute_dark_knowledge(probabilities_BC: Tensor, keys_BC: Tensor) -> Tensor:
    """The same probabilities (B, C), all but each sample's largest permuted within the sample.

    `keys_BC` are independent uniform random numbers in [0, 1), float32 or float64 (in bfloat16 equal keys, which bias
    the permutation, would be common): sorting them draws each of the (C - 1)! permutations equally often. The same keys
    give the same permutation on every device. Where several classes share the largest probability, the first one stays.
    """
    assert keys_BC.shape == probabilities_BC.shape, (
        f"{tuple(keys_BC.shape)} keys, {tuple(probabilities_BC.shape)} probabilities"
    )
    assert keys_BC.dtype in (torch.float32, torch.float64), f"keys in {keys_BC.dtype} repeat too often"
    largest_B1 = probabilities_BC.argmax(dim=1, keepdim=True)
    # Two orders of the classes, each with the largest one last: by class index, and by random key.
    by_class_BC = torch.zeros_like(keys_BC).scatter(1, largest_B1, 1.0).argsort(dim=1, stable=True)
    by_key_BC = keys_BC.scatter(1, largest_B1, torch.inf).argsort(dim=1, stable=True)
    return torch.empty_like(probabilities_BC).scatter(1, by_class_BC, probabilities_BC.gather(1, by_key_BC))


def dkpp_loss(student_logits_BC: Tensor, teacher_logits_BC: Tensor, keys_BC: Tensor, batch: GlobalBatch) -> Tensor:
    """This worker's share of the mean cross-entropy with the permuted teacher, a scalar."""
    permuted_BC = permute_dark_knowledge(teacher_probabilities(teacher_logits_BC), keys_BC)
    return mean(cross_entropies(student_logits_BC, lambda samples: permuted_BC[samples]), batch)


@builds(DkppLoss)
def _build_dkpp(_spec: DkppLoss) -> DistillationLoss:
    def loss(of: LossInputs) -> Tensor:
        assert of.keys_BC is not None, "this loss needs random keys"
        return dkpp_loss(of.student.logits_BC, of.given_teacher.logits_BC, of.keys_BC, of.batch)

    return loss
