"""The training of one generation, epoch by epoch, from fresh weights or from where it was interrupted."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from bansweep.data.augmentation import draw_views
from bansweep.data.images import ImageData
from bansweep.data.resident import ResidentImages
from bansweep.data.sampling import epoch_order
from bansweep.data.suitability import check_suitable
from bansweep.errors import DivergedError
from bansweep.losses.builder import needs_keys, needs_stage_outputs
from bansweep.networks.builder import build_network, count_parameters
from bansweep.plan.events import EpochReport
from bansweep.plan.generation import Generation
from bansweep.plan.seeds import derived_seed
from bansweep.spec.losses import DkppLoss, needs_teacher
from bansweep.training.batch_norm import with_global_batch_norm
from bansweep.training.diagnostics import Diagnostics, agreement
from bansweep.training.evaluation import error_and_loss, predict
from bansweep.training.forward import training_forward
from bansweep.training.optimizer import build_optimizer, learning_rate, set_learning_rate
from bansweep.training.permutation_keys import PermutationKeys
from bansweep.training.precision import use_exact_arithmetic
from bansweep.training.shared_layers import take_outer_layers
from bansweep.training.snapshot import load_snapshot, snapshot_bytes, weights_bytes
from bansweep.training.step import TrainingStep
from bansweep.training.teacher import FrozenTeacher
from bansweep.training.workers import ALONE, Workers


@dataclass(frozen=True)
class TrainedGeneration:
    """What a finished training leaves: weights (safetensors), test predictions, final figures."""

    weights: bytes
    probabilities_NC: np.ndarray
    labels_N: np.ndarray
    metrics: dict[str, float]
    parameters: int


class GenerationRun:
    """Trains one generation on this process's device, alone or as one of several workers.

    Every epoch's randomness (order, crops, dropout, permutations) is a function of the generation's seed and the
    epoch's number, so that weights, momenta and the number of finished epochs are all the state there is.
    `diagnostics` adds those of section 3.2 to the reports of a student that compares itself with its teacher.
    """

    def __init__(
        self,
        generation: Generation,
        data: ImageData,
        *,
        teacher: FrozenTeacher | None = None,
        device: torch.device | None = None,
        workers: Workers = ALONE,
        compiled: bool = False,
        diagnostics: bool = False,
    ) -> None:
        self.generation = generation
        self.history: list[EpochReport] = []
        self._data = data
        self._device = device or torch.device("cpu")
        self._workers = workers
        self._teacher = teacher
        self._bf16 = generation.precision == "bf16"
        self._classes = len(data.classes)
        check_suitable(generation.recipe, generation.network, data)
        self._batch_size = generation.recipe.batch_size
        self._train_images = ResidentImages(data.train, device=self._device, mean=data.mean, std=data.std)
        self._split_name, split = data.evaluation
        self._evaluation_images = ResidentImages(split, device=self._device, mean=data.mean, std=data.std)

        use_exact_arithmetic()
        torch.manual_seed(derived_seed(generation.seed, "weights"))
        network = build_network(generation.network, input_shape=data.input_shape, classes=self._classes)
        if generation.shared_layers != "none":
            assert teacher is not None, "shared layers are a teacher's"
            take_outer_layers(network, teacher.network, frozen=generation.shared_layers == "frozen")
        network = with_global_batch_norm(network, workers, self._device)
        self.network = network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimizer = build_optimizer(self.network, generation.recipe)
        self._diagnostics = (
            Diagnostics(workers, self._device) if diagnostics and needs_teacher(generation.loss) else None
        )
        self._step = TrainingStep(
            training_forward(
                self.network,
                workers,
                self._device,
                with_stages=needs_stage_outputs(generation.loss),
                compiled=compiled,
            ),
            self._optimizer,
            generation.loss,
            teacher=teacher,
            workers=workers,
            bf16=self._bf16,
            diagnostics=self._diagnostics,
        )
        self._keys = (
            PermutationKeys(
                generation.seed,
                samples=len(data.train),
                classes=self._classes,
                fixed=isinstance(generation.loss, DkppLoss) and generation.loss.permutation == "fixed",
            )
            if needs_keys(generation.loss)
            else None
        )

    def resume(self, snapshot: bytes, history: Sequence[EpochReport]) -> None:
        """Go on after the last epoch of `history`, from what `snapshot()` returned then."""
        load_snapshot(self.network, self._optimizer, snapshot)
        self.history = list(history)

    def snapshot(self) -> bytes:
        """The state after the last finished epoch, in safetensors format."""
        return snapshot_bytes(self.network, self._optimizer)

    def epochs(self) -> Iterator[EpochReport]:
        """Train the remaining epochs, yielding each one's report as it ends.

        Raises DivergedError, on every worker, when the loss is no longer a finite number.
        """
        recipe = self.generation.recipe
        while len(self.history) < recipe.epochs:
            started = time.perf_counter()
            rate = learning_rate(recipe, len(self.history))
            set_learning_rate(self._optimizer, rate)
            train_loss = self._train_epoch(len(self.history) + 1)
            evaluated = self._evaluate()
            loss = evaluated[f"{self._split_name}_loss"]
            if not math.isfinite(loss):
                # The epoch's very last step did it: no later loss would tell.
                raise DivergedError(len(self.history) + 1, len(self._train_images) // self._batch_size, loss)
            report = EpochReport(
                epoch=len(self.history) + 1,
                epochs=recipe.epochs,
                seconds=time.perf_counter() - started,
                finished_at=time.time(),
                metrics={
                    "train_loss": train_loss,
                    **evaluated,
                    "learning_rate": rate,
                    **(self._diagnostics.take() if self._diagnostics is not None else {}),
                },
            )
            self.history.append(report)
            yield report

    def result(self) -> TrainedGeneration:
        """The finished generation. Call it on every worker, after the last epoch."""
        test_images = ResidentImages(self._data.test, device=self._device, mean=self._data.mean, std=self._data.std)
        probabilities_NC = self._predict(self.network, test_images)
        error, loss = error_and_loss(probabilities_NC, test_images.labels_N)
        return TrainedGeneration(
            weights=weights_bytes(self.network),
            probabilities_NC=probabilities_NC.cpu().numpy(),
            labels_N=test_images.labels_N.cpu().numpy(),
            metrics={**self.history[-1].metrics, "test_error": error, "test_loss": loss},
            parameters=count_parameters(self.network),
        )

    def _train_epoch(self, epoch: int) -> float:
        """Train epoch number `epoch` (from 1); returns the mean loss of its steps, the same on every worker."""
        seed = self.generation.seed
        images = self._train_images
        torch.manual_seed(derived_seed(seed, "dropout", epoch, self._workers.rank))
        order_N = epoch_order(len(images), seed, epoch)
        augmentation = self.generation.recipe.augmentation
        views = draw_views(augmentation, len(images), seed, epoch).to(self._device) if augmentation else None
        # What is left over after the last whole batch sits out this epoch: the order is another in the next.
        steps = len(images) // self._batch_size
        epochs = self.generation.recipe.epochs
        progress = (epoch - 1) / (epochs - 1) if epochs > 1 else 1.0
        losses = torch.zeros(steps, device=self._device)
        self.network.train()
        for step in range(steps):
            batch_B = order_N[step * self._batch_size : (step + 1) * self._batch_size]
            keys_BC = None
            if self._keys is not None:
                keys_BC = self._workers.share(self._keys.of_batch(epoch, step, batch_B)).to(self._device)
            pixels_BKHW, labels_B = images.batch(self._workers.share(batch_B).to(self._device), views)
            losses[step] = self._step(pixels_BKHW, labels_B, keys_BC=keys_BC, progress=progress)
        # One look at the losses an epoch: each look makes the host wait for the device.
        batch_losses = self._workers.sum(losses).cpu()
        finite = torch.isfinite(batch_losses)
        if not finite.all():
            step = int((~finite).nonzero()[0])
            raise DivergedError(epoch, step + 1, float(batch_losses[step]))
        return float(batch_losses.double().mean())

    def _evaluate(self) -> dict[str, float]:
        """The metrics of the evaluation split."""
        probabilities_NC = self._predict(self.network, self._evaluation_images)
        error, loss = error_and_loss(probabilities_NC, self._evaluation_images.labels_N)
        metrics = {f"{self._split_name}_loss": loss, f"{self._split_name}_error": error}
        if self._diagnostics is not None:
            metrics[f"{self._split_name}_agreement"] = agreement(probabilities_NC, self._teacher_probabilities_NC)
        return metrics

    @cached_property
    def _teacher_probabilities_NC(self) -> Tensor:
        """The teacher's answers to the evaluation split, which do not change."""
        assert self._teacher is not None
        return self._predict(self._teacher.network, self._evaluation_images)

    def _predict(self, network: nn.Module, images: ResidentImages) -> Tensor:
        return predict(network, images, classes=self._classes, workers=self._workers, bf16=self._bf16)
