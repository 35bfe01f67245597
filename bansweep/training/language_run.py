"""The training of one generation of a language model."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bansweep.config.losses import DkppLoss, can_do_without, needs_teacher
from bansweep.config.networks import is_language_model
from bansweep.config.recipes import LanguageRecipe
from bansweep.data.datasets import TextData, check_text_suitable
from bansweep.data.host_to_device import to_device
from bansweep.graph.generation import Generation, derived_seed
from bansweep.losses.builder import build_loss, needs_keys
from bansweep.losses.building_blocks import NetworkOutput
from bansweep.networks.build import build_language_model
from bansweep.networks.language_model import LanguageModel
from bansweep.training.evaluation import ReadText, read_text
from bansweep.training.generation_run import GenerationRun, TokenLogProbabilities
from bansweep.training.kd_gradient import Diagnostics, share_in_percent
from bansweep.training.optimizer import build_language_optimizer, plateau_learning_rate
from bansweep.training.precision import autocast, use_exact_arithmetic
from bansweep.training.step import descend
from bansweep.training.teacher_outputs import TeacherOutputs
from bansweep.training.token_streams import TokenStreams, Window
from bansweep.training.workers import ALONE, Workers, distributed


class LanguageRun(GenerationRun):
    """Trains a language model on parallel streams of a text; workers share the streams.

    A time step of a stream is a sample of the losses: KD compares the distributions of every unrolled step (section
    4.2). `teacher` is in evaluation mode, frozen; `teacher_memory_bytes` and `teacher_disk_bytes` bound what is kept
    of its answers.
    """

    def __init__(
        self,
        generation: Generation,
        data: TextData,
        *,
        teacher: LanguageModel | None = None,
        teacher_memory_bytes: float = 0,
        teacher_disk_bytes: float = 0,
        device: torch.device | None = None,
        workers: Workers = ALONE,
        diagnostics: bool = False,
    ) -> None:
        super().__init__(generation, workers, device)
        assert isinstance(generation.recipe, LanguageRecipe)
        assert is_language_model(generation.network)
        self._recipe = generation.recipe
        self._data = data
        self._bf16 = generation.precision == "bf16"
        check_text_suitable(self._recipe, data)
        use_exact_arithmetic()
        torch.manual_seed(derived_seed(generation.seed, "weights"))
        model = build_language_model(generation.network, vocabulary=data.vocabulary)
        self._model: LanguageModel = model.to(self._device)
        self._streams = TokenStreams(
            data.train_N,
            streams=self._recipe.batch_size,
            window=self._recipe.window,
            end_of_sentence=data.end_of_sentence,
            workers=workers,
            device=self._device,
            distinct_words=self._model.uses_distinct_words or (teacher is not None and teacher.uses_distinct_words),
        )
        self._forward = distributed(self._model, workers, self._device)
        self._sgd = build_language_optimizer(self._model, self._recipe)
        self._loss = build_loss(generation.loss)
        self._teacher = teacher
        self._teacher_outputs = None
        if needs_teacher(generation.loss) and not (teacher is None and can_do_without(generation.loss)):
            assert teacher is not None, "this loss asks a teacher"
            self._teacher_outputs = TeacherOutputs(
                teacher,
                self._streams,
                memory_bytes=teacher_memory_bytes,
                disk_bytes=teacher_disk_bytes,
                bf16=self._bf16,
            )
        self._diagnostics = Diagnostics(workers, self._device) if diagnostics and self._teacher_outputs else None

    @property
    def network(self) -> LanguageModel:
        return self._model

    @property
    def _optimizer(self) -> torch.optim.SGD:
        return self._sgd

    @property
    def _steps(self) -> int:
        return self._streams.windows

    def _learning_rate(self) -> float:
        return plateau_learning_rate(self._recipe, [report.metrics["validation_perplexity"] for report in self.history])

    def _answers(self) -> tuple[TokenLogProbabilities, dict[str, float]]:
        validation, test = self._read(self._data.validation_N), self._read(self._data.test_N)
        answers = TokenLogProbabilities(validation.log_probabilities_N.numpy(), test.log_probabilities_N.numpy())
        return answers, {"test_loss": test.loss, "test_perplexity": test.perplexity}

    def _train_epoch(self, epoch: int) -> float:
        torch.manual_seed(derived_seed(self.generation.seed, "dropout", epoch, self._workers.rank))
        losses = torch.zeros(self._steps, device=self._device)
        lengths = torch.zeros(self._steps, dtype=torch.float64)
        state = self._model.initial_state(self._streams.streams)
        self._model.train()
        for step, window in enumerate(self._streams):
            teacher_logits_SV = self._teacher_logits(window)
            with autocast(self._device, bf16=self._bf16):
                logits_TBV, (hidden, cell) = self._forward(window.inputs_TB, state, window.distinct)
            # Gradients go back to the window's beginning, the state goes on.
            state = hidden.detach(), cell.detach()
            # S: the samples of the losses, one for each time step of each stream.
            logits_SV, targets_S = logits_TBV.flatten(0, 1), window.targets_TB.flatten()
            loss = self._loss(
                NetworkOutput(logits_SV),
                None if teacher_logits_SV is None else NetworkOutput(teacher_logits_SV),
                targets_S,
                batch=self._workers.batch(window.inputs_TB.shape[0] * self._recipe.batch_size),
                keys_BC=self._keys(epoch, window) if needs_keys(self.generation.loss) else None,
                progress=self._progress(epoch),
            )
            lengths[step] = len(window.inputs_TB)
            # The recipe's learning rate and clipping are for losses that are summed over time.
            descend(loss * len(window.inputs_TB), self._sgd, self._workers, clip_norm=self._recipe.clip_norm)
            losses[step] = loss.detach()
            if self._diagnostics is not None and teacher_logits_SV is not None:
                self._diagnostics.observe(logits_SV, teacher_logits_SV, targets_S)
        # One look at the losses an epoch: each look makes the host wait for the device.
        step_losses = self._workers.sum(losses).cpu()
        finite = torch.isfinite(step_losses)
        if not finite.all():
            step = int((~finite).nonzero()[0])
            raise self._diverged(epoch, step + 1, float(step_losses[step]))
        return float((step_losses.double() * lengths).sum() / lengths.sum())

    def _teacher_logits(self, window: Window) -> Tensor | None:
        return None if self._teacher_outputs is None else self._teacher_outputs.logits(window).flatten(0, 1)

    def _keys(self, epoch: int, window: Window) -> Tensor:
        """DKPP's random keys for this worker's samples, drawn for all streams so that sharing them changes nothing."""
        loss = self.generation.loss
        fixed = isinstance(loss, DkppLoss) and loss.permutation == "fixed"
        occasion = ("dkpp", window.start) if fixed else ("dkpp", epoch, window.start)
        generator = torch.Generator().manual_seed(derived_seed(self.generation.seed, *occasion))
        shape = (self._recipe.batch_size, len(window.inputs_TB), len(self._data.vocabulary))
        # Keys for all words are far too many to be drawn for an epoch ahead. From pinned memory the copy of a window's
        # does not make the host wait.
        keys_BTV = torch.rand(shape, generator=generator, pin_memory=self._device.type == "cuda")
        return to_device(self._workers.share(keys_BTV), self._device).transpose(0, 1).flatten(0, 1)

    def _evaluate(self) -> dict[str, float]:
        read = self._read(self._data.validation_N)
        metrics = {"validation_loss": read.loss, "validation_perplexity": read.perplexity}
        if self._diagnostics is not None:
            metrics |= self._diagnostics.take()
            metrics["validation_agreement"] = share_in_percent(read.likeliest_N == self._teachers_likeliest_N)
        return metrics

    @cached_property
    def _teachers_likeliest_N(self) -> Tensor:
        """What the teacher thinks likeliest at each token of the validation text, which does not change."""
        assert self._teacher is not None
        return self._read(self._data.validation_N, self._teacher).likeliest_N

    def _read(self, tokens_N: NDArray[np.int32], model: LanguageModel | None = None) -> ReadText:
        # Every worker reads all of it: a stream cannot be shared.
        return read_text(
            model or self._model,
            tokens_N,
            end_of_sentence=self._data.end_of_sentence,
            device=self._device,
            bf16=self._bf16,
        )
