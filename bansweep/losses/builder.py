"""From what a sweep file says of a loss to the loss.

Each module of this package registers its loss by `builds`, under the configuration of which it is made. So a new loss
is a configuration in `config/losses.py` and a module here.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

from bansweep.config.losses import Loss, LossSpec
from bansweep.losses.building_blocks import GlobalBatch, NetworkOutput


class LossInputs(NamedTuple):
    """What a loss is computed of, for this worker's samples of a batch. What a loss does not need it ignores.

    `student` and `teacher` answer for the same samples. The teacher's answer carries no gradient; None only if the
    loss does without (`Loss.teacher`). `labels_B` are class indices (int64). `batch` is the global batch
    (`local_batch` for one worker). `keys_BC`, uniform random numbers in [0, 1), are for losses with
    `permutation_keys`. `progress` is how far training is: 0 in the first epoch, 1 in the last, and 1 in a training of
    one epoch.
    """

    student: NetworkOutput
    teacher: NetworkOutput | None
    labels_B: Tensor
    batch: GlobalBatch
    keys_BC: Tensor | None = None
    progress: float = 1.0

    @property
    def given_teacher(self) -> NetworkOutput:
        """The teacher's answer, for a loss that cannot do without."""
        assert self.teacher is not None, "this loss needs a teacher's answer"
        return self.teacher


DistillationLoss = Callable[[LossInputs], Tensor]
"""A worker's share of the loss of the global batch, a float32 scalar; the shares of all workers add up to it."""

_SpecT = TypeVar("_SpecT", bound=Loss)
_BUILDERS: dict[type[Loss], Callable[[Any], DistillationLoss]] = {}


def builds(
    kind: type[_SpecT],
) -> Callable[[Callable[[_SpecT], DistillationLoss]], Callable[[_SpecT], DistillationLoss]]:
    """Registers the function that makes the loss of a configuration of this type."""

    def register(build: Callable[[_SpecT], DistillationLoss]) -> Callable[[_SpecT], DistillationLoss]:
        assert kind not in _BUILDERS, f"two losses for {kind.__name__}"
        _BUILDERS[kind] = build
        return build

    return register


def build_loss(spec: LossSpec) -> DistillationLoss:
    """The loss that a spec names. Raises TrainingError where code of the user's own cannot be run."""
    _import_all_losses()
    return _BUILDERS[type(spec)](spec)


@cache
def _import_all_losses() -> None:
    """Lets each module of this package register its loss."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        import_module(f"{__package__}.{module.name}")
