"""The teacher of a generation: a finished, frozen network that caches its logits."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

import torch
from torch import Tensor

from bansweep.config.networks import ImageNetworkSpec, LanguageNetworkSpec
from bansweep.config.recipes import Augmentation
from bansweep.data.augmentation import Views
from bansweep.data.resident import ResidentImages
from bansweep.losses.building_blocks import NetworkOutput
from bansweep.networks.build import build_language_model, build_network
from bansweep.networks.image_network import ImageNetwork
from bansweep.networks.language_model import LanguageModel
from bansweep.training.precision import autocast, round_to_16_bits
from bansweep.training.snapshot import load_weights
from bansweep.training.target_table import TargetTable
from bansweep.training.teacher_outputs import TeacherOutputs
from bansweep.training.token_streams import TokenStreams, Window


class Teacher:
    """A frozen image network in evaluation mode, separate from any student; its outputs carry no gradient.

    It computes the logits of a view of a training image once, and caches them in a table of at most `memory_bytes` on
    its device, or of at most `disk_bytes` in a file. It may teach several students one after another, on one set of
    training images; their views accumulate.
    """

    def __init__(
        self,
        spec: ImageNetworkSpec,
        weights: bytes,
        *,
        input_shape: tuple[int, int, int],
        classes: int,
        device: torch.device,
        memory_bytes: float = 0,
        disk_bytes: float = 0,
    ) -> None:
        self.network: ImageNetwork = build_network(spec, input_shape=input_shape, classes=classes)
        load_weights(self.network, weights)
        self.network.eval().requires_grad_(requires_grad=False)
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._classes = classes
        self._device = device
        self._memory_bytes, self._disk_bytes = memory_bytes, disk_bytes
        self._table_key: Hashable = None
        self._table: TargetTable | None = None

    @property
    def table(self) -> TargetTable | None:
        """The cached logits; None before the first student asks for any."""
        return self._table

    def answer(self, images_BKHW: Tensor, *, bf16: bool, with_stages: bool = False) -> NetworkOutput:
        """The teacher's logits (B, C) and, on request, the output of each stage, in the network's types."""
        with torch.inference_mode(), autocast(images_BKHW.device, bf16=bf16):
            if with_stages:
                logits_BC, stage_outputs = self.network.forward_with_stages(images_BKHW)
            else:
                logits_BC, stage_outputs = self.network(images_BKHW), ()
        # Autograd refuses to save tensors from inference mode, even as constants. Clones made outside it are normal.
        return NetworkOutput(logits_BC.clone(), tuple(features_BKHW.clone() for features_BKHW in stage_outputs))

    def logits_of_epoch(
        self,
        images: ResidentImages,
        batches: Sequence[Tensor],
        views: Views | None,
        *,
        augmentation: Augmentation | None,
        bf16: bool,
    ) -> Iterator[Tensor]:
        """The logits (B, C) of each step of an epoch, in 16 bits, as `TargetTable.of_epoch` explains.

        `views` are those of the epoch, drawn by `augmentation`. If augmentation or precision differ from the last
        student's, a new table replaces the old one.
        """
        key = (augmentation, len(images), bf16)
        if self._table is None or self._table_key != key:
            self._table = None  # two would take twice the memory
            self._table = TargetTable(
                augmentation,
                images=len(images),
                classes=self._classes,
                bf16=bf16,
                device=self._device,
                memory_bytes=self._memory_bytes,
                disk_bytes=self._disk_bytes,
            )
            self._table_key = key
        views_on_device = None if views is None else views.to(self._device)

        def compute(samples_B: Tensor) -> Tensor:
            pixels_BKHW, _ = images.batch(samples_B, views_on_device)
            return round_to_16_bits(self.answer(pixels_BKHW, bf16=bf16).logits_BC)

        return self._table.of_epoch(compute, batches, views)


class LanguageTeacher:
    """A frozen language model (`frozen_language_model`), separate from any student; its logits carry no gradient.

    It computes its outputs for the training text once, as far as they fit into `memory_bytes` on its device or
    `disk_bytes` in a file.
    """

    def __init__(self, network: LanguageModel, *, memory_bytes: float = 0, disk_bytes: float = 0) -> None:
        self.network = network
        self._memory_bytes, self._disk_bytes = memory_bytes, disk_bytes
        self._outputs: TeacherOutputs | None = None

    @property
    def outputs(self) -> TeacherOutputs | None:
        """The cached outputs; None before a student asks for any."""
        return self._outputs

    def logits(self, streams: TokenStreams, window: Window, *, bf16: bool) -> Tensor:
        """The logits (T, B, V) of a window of a student's streams, in 16 bits, as `TeacherOutputs.logits` explains."""
        if self._outputs is None or not self._outputs.are_of(streams, bf16=bf16):
            self._outputs = None
            self._outputs = TeacherOutputs(
                self.network, streams, memory_bytes=self._memory_bytes, disk_bytes=self._disk_bytes, bf16=bf16
            )
        return self._outputs.logits(window)


def frozen_language_model(
    spec: LanguageNetworkSpec, weights: bytes, *, vocabulary: Sequence[str], device: torch.device
) -> LanguageModel:
    """A finished language model in evaluation mode, without gradients."""
    model = build_language_model(spec, vocabulary=vocabulary)
    load_weights(model, weights)
    return model.eval().requires_grad_(requires_grad=False).to(device)


class LastTeacher:
    """The last teacher of this process, cached because the next student often has the same one.

    A different teacher replaces it, after the memory of the former is free.
    """

    def __init__(self) -> None:
        self._key: Hashable = None
        self._teacher: Teacher | None = None

    def get(self, key: Hashable, make: Callable[[], Teacher], *, for_logits: bool = True) -> Teacher:
        """The teacher of `key`, which covers all that its logits depend on except augmentation and precision.

        One that no loss asks `for_logits` has no table, and replaces none.
        """
        if self._teacher is None or self._key != key:
            if not for_logits:
                return make()
            self._teacher = None
            self._teacher = make()
            self._key = key
        return self._teacher

    def clear(self) -> None:
        """Drop the teacher and its table. Their memory and disk space are free once no run refers to them."""
        self._key = self._teacher = None
