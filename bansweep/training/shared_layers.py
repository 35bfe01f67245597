"""The first and last layers that a student takes from its teacher (section 4.1, and every student of table 5)."""

from __future__ import annotations

from bansweep.networks.staged import StagedNetwork


def take_outer_layers(student: StagedNetwork, teacher: StagedNetwork, *, frozen: bool) -> None:
    """Copy the teacher's first convolution and its linear layer into the student, in place.

    `frozen`: they learn nothing more. The two have to fit, which `spec.matching` tells users; the copies are the
    student's own.
    """
    for theirs, own in ((teacher.stem, student.stem), (teacher.classifier, student.classifier)):
        own.load_state_dict(theirs.state_dict())
        own.requires_grad_(not frozen)
