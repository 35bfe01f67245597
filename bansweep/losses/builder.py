"""Builds the loss that a sweep file names.

Each loss's module registers its build function by `builds`, under the loss's configuration class. To add a loss, write
its configuration in `config/losses.py` and its module here.
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
    """The inputs of any loss, for this worker's samples of a batch. A loss ignores what it does not need.

    `student` and `teacher` are outputs for the same samples. The teacher's carries no gradient; it is None only if the
    loss needs none (`Loss.teacher`). `labels_B` are class indices (int64). `batch` is the global batch (`local_batch`
    for one worker). `keys_BC`, uniform random numbers in [0, 1), are for losses with `permutation_keys`. `progress`
    grows from 0 in the first epoch to 1 in the last; it is 1 if there is only one.
    """

    student: NetworkOutput
    teacher: NetworkOutput | None
    labels_B: Tensor
    batch: GlobalBatch
    keys_BC: Tensor | None = None
    progress: float = 1.0

    @property
    def given_teacher(self) -> NetworkOutput:
        """The teacher's output, for a loss that requires one."""
        assert self.teacher is not None, "this loss needs a teacher's answer"
        return self.teacher


DistillationLoss = Callable[[LossInputs], Tensor]
"""A worker's share of the loss of the global batch, a float32 scalar; the shares of all workers add up to it."""

_SpecT = TypeVar("_SpecT", bound=Loss)
_BUILDERS: dict[type[Loss], Callable[[Any], DistillationLoss]] = {}


def builds(
    kind: type[_SpecT],
) -> Callable[[Callable[[_SpecT], DistillationLoss]], Callable[[_SpecT], DistillationLoss]]:
    """Registers the function that builds the loss of a configuration of this class."""

    def register(build: Callable[[_SpecT], DistillationLoss]) -> Callable[[_SpecT], DistillationLoss]:
        assert kind not in _BUILDERS, f"two losses for {kind.__name__}"
        _BUILDERS[kind] = build
        return build

    return register


def build_loss(spec: LossSpec) -> DistillationLoss:
    """The loss of a configuration. Raises TrainingError where user code cannot be run."""
    _import_all_losses()
    return _BUILDERS[type(spec)](spec)


@cache
def _import_all_losses() -> None:
    """Each module of this package registers its loss when it is imported."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        import_module(f"{__package__}.{module.name}")
