"""Cross-entropy with the labels, the loss of a generation without a teacher (Eq. 1).

With q = softmax(z) of the student's logits z, and `*` the label's class,

    L = -(1/b) sum_s log q_*,s        dL/dz_i,s = (q_i,s - y_i,s) / b        (Eq. 6, one-hot y)

Label smoothing (Szegedy et al., 2016, section 7; not in the paper) takes a part s of the label's probability and
distributes it equally over all n classes: y_* = 1 - s + s/n, and s/n elsewhere.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy

from bansweep.config.losses import LabelsLoss
from bansweep.losses.builder import DistillationLoss, builds
from bansweep.losses.building_blocks import GlobalBatch, at_least_float32, mean


def label_cross_entropies(student_logits_BC: Tensor, labels_B: Tensor, smoothing: float = 0.0) -> Tensor:
    """-sum_i y_i log q_i in nats, a term per sample (B); -log q_* unless smoothed. `labels_B`: class indices, int64."""
    return cross_entropy(at_least_float32(student_logits_BC), labels_B, reduction="none", label_smoothing=smoothing)


def labels_loss(student_logits_BC: Tensor, labels_B: Tensor, batch: GlobalBatch, *, smoothing: float = 0.0) -> Tensor:
    """This worker's share of the mean cross-entropy with the labels, a scalar."""
    return mean(label_cross_entropies(student_logits_BC, labels_B, smoothing), batch)


@builds(LabelsLoss)
def _build_labels(spec: LabelsLoss) -> DistillationLoss:
    return lambda of: labels_loss(of.student.logits_BC, of.labels_B, of.batch, smoothing=spec.smoothing)
