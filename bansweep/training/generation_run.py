"""The training of one generation, epoch by epoch, from fresh weights or resumed after a finished epoch."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from bansweep.config.losses import UserLoss
from bansweep.errors import DivergedError
from bansweep.graph.generation import Generation
from bansweep.graph.results import EpochReport, selected_epoch
from bansweep.networks.build import count_parameters
from bansweep.training.memory import SystemMeter, explain_out_of_memory, keep_freed_memory
from bansweep.training.optimizer import set_learning_rate
from bansweep.training.snapshot import load_snapshot, snapshot_bytes, state_of, weights_bytes
from bansweep.training.workers import Workers


@dataclass(frozen=True)
class ClassProbabilities:
    """An image network's predictions for the test split: probabilities (N, C) in float32, and the labels (N,)."""

    probabilities_NC: np.ndarray
    labels_N: np.ndarray


@dataclass(frozen=True)
class TokenLogProbabilities:
    """A language model's log-probabilities of the tokens of each split, in nats: (N,) in float32."""

    validation_N: np.ndarray
    test_N: np.ndarray


@dataclass(frozen=True)
class TrainedGeneration:
    """The result of a training: weights (safetensors) of `epoch` (from 1), their predictions and metrics."""

    weights: bytes
    answers: ClassProbabilities | TokenLogProbabilities
    metrics: dict[str, float]
    epoch: int
    parameters: int


class GenerationRun(ABC):
    """Trains one generation on this process's device, alone or as one of several workers.

    Every epoch's randomness (order, crops, dropout, permutations) is a function of the generation's seed and the
    epoch's number, and every schedule one of the history. So weights, the optimizer's state and the history are all
    that the next epoch depends on.
    """

    def __init__(self, generation: Generation, workers: Workers, device: torch.device | None) -> None:
        self.generation = generation
        self.history: list[EpochReport] = []
        self._workers = workers
        self._device = device or torch.device("cpu")
        if self._device.type == "cpu":
            keep_freed_memory()
        self._best_state: dict[str, Tensor] | None = None
        self._meter = SystemMeter(self._device)

    @property
    @abstractmethod
    def network(self) -> nn.Module:
        """The student."""

    @property
    def compiled(self) -> bool:
        """Whether the student's steps run compiled."""
        return False

    @property
    @abstractmethod
    def _optimizer(self) -> torch.optim.Optimizer: ...

    @abstractmethod
    def _learning_rate(self) -> float:
        """The rate of the epoch that follows those in the history."""

    @abstractmethod
    def _train_epoch(self, epoch: int) -> float:
        """Train epoch number `epoch` (from 1); returns its mean loss, the same on every worker.

        Raises DivergedError where a step's loss is no finite number.
        """

    @abstractmethod
    def _evaluate(self) -> dict[str, float]:
        """The metrics of the evaluation split and the epoch's diagnostics; `*_loss` is the split's loss."""

    @abstractmethod
    def _answers(self) -> tuple[ClassProbabilities | TokenLogProbabilities, dict[str, float]]:
        """The network's predictions for held-out data, and its metrics on test data."""

    @property
    @abstractmethod
    def _steps(self) -> int:
        """Steps of an epoch."""

    def resume(self, snapshot: bytes, history: Sequence[EpochReport]) -> None:
        """Resume after the last epoch of `history`, from what `snapshot()` returned then."""
        self._best_state = load_snapshot(self.network, self._optimizer, snapshot)
        self.history = list(history)

    def snapshot(self) -> bytes:
        """The state after the last finished epoch, and the best epoch's weights if needed, as safetensors."""
        return snapshot_bytes(self.network, self._optimizer, self._best_state)

    def result(self) -> TrainedGeneration:
        """The finished generation. Call it on every worker, after the last epoch."""
        epoch = selected_epoch(self.history, self.generation)
        if self._best_state is not None:
            self.network.load_state_dict(self._best_state)
        answers, test_metrics = self._answers()
        return TrainedGeneration(
            weights=weights_bytes(self.network),
            answers=answers,
            metrics={**self.history[epoch - 1].metrics, **test_metrics},
            epoch=epoch,
            parameters=count_parameters(self.network),
        )

    def epochs(self) -> Iterator[EpochReport]:
        """Train the remaining epochs, yielding each one's report as it ends.

        Raises DivergedError, on every worker, when the loss is no longer a finite number.
        """
        epochs = self.generation.recipe.epochs
        while len(self.history) < epochs:
            started = time.perf_counter()
            epoch = len(self.history) + 1
            rate = self._learning_rate()
            set_learning_rate(self._optimizer, rate)
            with explain_out_of_memory(self._device, f"in epoch {epoch}, with a {self._batch_description}"):
                train_loss = self._train_epoch(epoch)
                evaluated = self._evaluate()
            for name, value in evaluated.items():
                if name.endswith("_loss") and not math.isfinite(value):
                    # The epoch's last step diverged: no later training loss shows it.
                    raise self._diverged(epoch, self._steps, value)
            report = EpochReport(
                epoch=epoch,
                epochs=epochs,
                seconds=time.perf_counter() - started,
                finished_at=time.time(),
                metrics={"train_loss": train_loss, **evaluated, "learning_rate": rate},
                system=self._meter.reading(),
            )
            self.history.append(report)
            if self.generation.select.epoch == "best" and selected_epoch(self.history, self.generation) == epoch:
                self._best_state = state_of(self.network)
            yield report

    def _finite_losses(self, epoch: int, shares: Tensor) -> Tensor:
        """The losses (on the host) of an epoch's steps, of which each worker has its shares (on the device).

        Checked once an epoch, because each check makes the host wait for the device. Raises DivergedError where one is
        not a finite number.
        """
        losses = self._workers.sum(shares).cpu()
        finite = torch.isfinite(losses)
        if not finite.all():
            step = int((~finite).nonzero()[0])
            raise self._diverged(epoch, step + 1, float(losses[step]))
        return losses

    def _diverged(self, epoch: int, step: int, value: float) -> DivergedError:
        loss = self.generation.loss
        code = f"{loss.code.file}:{loss.code.name}" if isinstance(loss, UserLoss) else None
        return DivergedError(epoch, step, value, code)

    @property
    def _batch_description(self) -> str:
        batch, workers = self.generation.recipe.batch_size, self._workers.size
        return f"batch of {batch}" if workers == 1 else f"batch of {batch} on {workers} workers"

    def _progress(self, epoch: int) -> float:
        """How far training is, as losses see it: 0 in the first epoch, 1 in the last."""
        epochs = self.generation.recipe.epochs
        return (epoch - 1) / (epochs - 1) if epochs > 1 else 1.0
