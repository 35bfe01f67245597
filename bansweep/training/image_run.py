"""The training of one generation of an image network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from bansweep.config.networks import is_language_model
from bansweep.config.recipes import Recipe
from bansweep.data.augmentation import Views, draw_views, epoch_order
from bansweep.data.datasets import ImageData, check_suitable
from bansweep.data.host_to_device import to_device
from bansweep.data.resident import ResidentImages
from bansweep.graph.events import CompileFailure
from bansweep.graph.generation import Generation, derived_seed
from bansweep.losses.builder import build_loss
from bansweep.losses.building_blocks import NetworkOutput
from bansweep.networks.build import build_network
from bansweep.networks.image_network import ImageNetwork, StagedNetwork
from bansweep.training.batch_norm import with_global_batch_norm
from bansweep.training.compilation import CompiledForward
from bansweep.training.evaluation import error_and_loss, predict
from bansweep.training.generation_run import ClassProbabilities, GenerationRun
from bansweep.training.kd_gradient import Diagnostics, share_in_percent
from bansweep.training.optimizer import build_optimizer, learning_rate
from bansweep.training.permutation_keys import PermutationKeys
from bansweep.training.precision import use_exact_arithmetic
from bansweep.training.step import TrainingStep
from bansweep.training.teacher import Teacher
from bansweep.training.workers import ALONE, Workers, distributed


class ImageRun(GenerationRun):
    """Trains an image network on a split that lives on the device.

    `teacher` was made for these data. `diagnostics` adds those of section 3.2 to the reports of a student whose loss
    compares it with its teacher. `recompute`: activations are recomputed in the backward pass; it excludes `compiled`.
    A network that cannot be compiled is trained uncompiled, after a call of `on_compile_failure` in the first step.
    """

    def __init__(
        self,
        generation: Generation,
        data: ImageData,
        *,
        teacher: Teacher | None = None,
        device: torch.device | None = None,
        workers: Workers = ALONE,
        compiled: bool = False,
        recompute: bool = False,
        diagnostics: bool = False,
        on_compile_failure: Callable[[CompileFailure], None] = lambda _: None,
    ) -> None:
        super().__init__(generation, workers, device)
        assert isinstance(generation.recipe, Recipe)
        assert not is_language_model(generation.network)
        assert not (compiled and recompute), "what is compiled chooses by itself what to keep"
        self._recipe = generation.recipe
        self._data = data
        self._bf16 = generation.precision == "bf16"
        self._classes = len(data.classes)
        check_suitable(self._recipe, generation.network, data)
        self._batch_size = self._recipe.batch_size
        self._train_images = ResidentImages(data.train, device=self._device, mean=data.mean, std=data.std)
        self._split_name, split = data.evaluation
        self._evaluation_images = ResidentImages(split, device=self._device, mean=data.mean, std=data.std)

        use_exact_arithmetic()
        torch.manual_seed(derived_seed(generation.seed, "weights"))
        network = build_network(generation.network, input_shape=data.input_shape, classes=self._classes)
        if generation.shared_layers != "none":
            assert teacher is not None, "shared layers are a teacher's"
            assert isinstance(network, StagedNetwork)
            assert isinstance(teacher.network, StagedNetwork)
            copy_outer_layers(network, teacher.network, frozen=generation.shared_layers == "frozen")
        if recompute:
            network.recompute_activations()
        network = with_global_batch_norm(network, workers, self._device, compiled=compiled)
        self._network: ImageNetwork = network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._sgd = build_optimizer(self._network, self._recipe)
        loss = generation.loss
        assert teacher is not None or loss.teacher != "required", "this loss asks a teacher"
        # With other losses the teacher, if any, only provides its outer layers.
        self._loss_teacher = None if loss.teacher == "none" else teacher
        self._diagnostics = (
            Diagnostics(workers, self._device) if diagnostics and self._loss_teacher is not None else None
        )
        self._forward = training_forward(
            self._network,
            workers,
            self._device,
            with_stages=loss.stage_outputs,
            compiled=compiled,
            on_compile_failure=on_compile_failure,
        )
        self._step = TrainingStep(
            self._forward,
            self._sgd,
            build_loss(loss),
            workers=workers,
            batch_size=self._batch_size,
            bf16=self._bf16,
            diagnostics=self._diagnostics,
        )
        self._keys = None
        if loss.permutation_keys is not None:
            self._keys = PermutationKeys(
                loss.permutation_keys, generation.seed, samples=len(data.train), classes=self._classes
            )

    @property
    def network(self) -> ImageNetwork:
        return self._network

    @property
    def compiled(self) -> bool:
        return self._forward.compiled

    @property
    def _optimizer(self) -> torch.optim.Optimizer:
        return self._sgd

    @property
    def _steps(self) -> int:
        # The samples after the last whole batch are skipped; the next epoch's order skips others.
        return len(self._train_images) // self._batch_size

    def _learning_rate(self) -> float:
        return learning_rate(self._recipe, len(self.history))

    def _answers(self) -> tuple[ClassProbabilities, dict[str, float]]:
        test_images = ResidentImages(self._data.test, device=self._device, mean=self._data.mean, std=self._data.std)
        probabilities_NC = self._predict(self._network, test_images)
        error, loss = error_and_loss(probabilities_NC, test_images.labels_N)
        answers = ClassProbabilities(probabilities_NC.cpu().numpy(), test_images.labels_N.cpu().numpy())
        return answers, {"test_error": error, "test_loss": loss}

    def _train_epoch(self, epoch: int) -> float:
        seed = self.generation.seed
        images = self._train_images
        torch.manual_seed(derived_seed(seed, "dropout", epoch, self._workers.rank))
        order_N = epoch_order(len(images), seed, epoch)
        augmentation = self._recipe.augmentation
        drawn_views = draw_views(augmentation, len(images), seed, epoch) if augmentation else None
        losses = torch.zeros(self._steps, device=self._device)
        batches = order_N[: self._steps * self._batch_size].split(self._batch_size)
        shares = [self._workers.share(batch_B) for batch_B in batches]
        # Copy everything that steps need from the host once an epoch: a copy in a step could make the host wait.
        views = None if drawn_views is None else drawn_views.to(self._device)
        indices_of_steps = to_device(torch.cat(shares), self._device).split([len(share_B) for share_B in shares])
        keys_of_steps = self._keys_of_steps(epoch, batches)
        self._network.train()
        for step, (indices_B, keys_BC, teacher_logits_BC) in enumerate(
            zip(indices_of_steps, keys_of_steps, self._teacher_logits(shares, drawn_views), strict=True)
        ):
            pixels_BKHW, labels_B = images.batch(indices_B, views)
            losses[step] = self._step(
                pixels_BKHW,
                labels_B,
                teacher=self._teacher_output(pixels_BKHW, teacher_logits_BC),
                keys_BC=keys_BC,
                progress=self._progress(epoch),
            )
        return float(self._finite_losses(epoch, losses).double().mean())

    def _keys_of_steps(self, epoch: int, batches: Sequence[Tensor]) -> Iterable[Tensor | None]:
        if self._keys is None:
            return [None] * len(batches)
        return self._keys.of_epoch(epoch, batches, workers=self._workers, device=self._device)

    def _teacher_logits(self, shares: Sequence[Tensor], views: Views | None) -> Iterable[Tensor | None]:
        """The teacher's cached logits for each step; None where it is run in the step. The arguments are on the CPU."""
        if self._loss_teacher is None or self.generation.loss.stage_outputs:  # too large to be cached
            return [None] * len(shares)
        return self._loss_teacher.logits_of_epoch(
            self._train_images, shares, views, augmentation=self._recipe.augmentation, bf16=self._bf16
        )

    def _teacher_output(self, pixels_BKHW: Tensor, known_logits_BC: Tensor | None) -> NetworkOutput | None:
        if known_logits_BC is not None:
            return NetworkOutput(known_logits_BC)
        if self._loss_teacher is None:
            return None
        return self._loss_teacher.answer(pixels_BKHW, bf16=self._bf16, with_stages=self.generation.loss.stage_outputs)

    def _evaluate(self) -> dict[str, float]:
        probabilities_NC = self._predict(self._network, self._evaluation_images)
        error, loss = error_and_loss(probabilities_NC, self._evaluation_images.labels_N)
        metrics = {f"{self._split_name}_loss": loss, f"{self._split_name}_error": error}
        if self._diagnostics is not None:
            metrics |= self._diagnostics.take()
            agreed_N = probabilities_NC.argmax(dim=1) == self._teacher_classes_N
            metrics[f"{self._split_name}_agreement"] = share_in_percent(agreed_N)
        return metrics

    @cached_property
    def _teacher_classes_N(self) -> Tensor:
        """The teacher's class for each image of the evaluation split, which never changes."""
        assert self._loss_teacher is not None
        return self._predict(self._loss_teacher.network, self._evaluation_images).argmax(dim=1)

    def _predict(self, network: nn.Module, images: ResidentImages) -> Tensor:
        return predict(network, images, classes=self._classes, workers=self._workers, bf16=self._bf16)


class TrainingForward:
    """The student's forward pass: from images (B, K, H, W) to the outputs that the loss compares."""

    def __init__(self, forward: nn.Module | CompiledForward) -> None:
        self._forward = forward

    @property
    def compiled(self) -> bool:
        """Whether it runs compiled. The first call may find that the network cannot be compiled."""
        return isinstance(self._forward, CompiledForward) and self._forward.works

    def __call__(self, images_BKHW: Tensor) -> NetworkOutput:
        return _network_output(self._forward(images_BKHW))


def training_forward(
    network: ImageNetwork,
    workers: Workers,
    device: torch.device,
    *,
    with_stages: bool,
    compiled: bool,
    on_compile_failure: Callable[[CompileFailure], None] = lambda _: None,
) -> TrainingForward:
    """The student's forward pass, with gradients averaged over the workers where there are several.

    `on_compile_failure` is called when the network cannot be compiled and is trained uncompiled instead.
    """
    module: nn.Module = _WithStages(network) if with_stages else network
    if compiled:
        return TrainingForward(CompiledForward(module, workers, device, on_compile_failure))
    return TrainingForward(distributed(module, workers, device))


class _WithStages(nn.Module):
    """A network whose `forward`, the only method that DDP wraps, also gives the outputs of stages."""

    def __init__(self, network: ImageNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images_BKHW: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        return self.network.forward_with_stages(images_BKHW)


def _network_output(output: object) -> NetworkOutput:
    if isinstance(output, Tensor):
        return NetworkOutput(output)
    assert isinstance(output, tuple)
    logits_BC, stage_outputs = output
    return NetworkOutput(logits_BC, tuple(stage_outputs))


def copy_outer_layers(student: StagedNetwork, teacher: StagedNetwork, *, frozen: bool) -> None:
    """Copy the teacher's first convolution and its linear layer into the student, in place.

    `frozen`: the copies do not learn. The shapes must match; `config.consistency` reports to users if they do not.
    """
    for source, copy in ((teacher.stem, student.stem), (teacher.classifier, student.classifier)):
        copy.load_state_dict(source.state_dict())
        copy.requires_grad_(not frozen)
