"""The training of one generation of a language model."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bansweep.config.networks import is_language_model
from bansweep.config.recipes import LanguageRecipe
from bansweep.data.datasets import TextData, check_text_suitable
from bansweep.graph.generation import Generation, derived_seed
from bansweep.losses.builder import LossInputs, build_loss
from bansweep.losses.building_blocks import NetworkOutput
from bansweep.networks.build import build_language_model
from bansweep.networks.language_model import LanguageModel
from bansweep.training.evaluation import ReadText, read_text
from bansweep.training.generation_run import GenerationRun, TokenLogProbabilities
from bansweep.training.kd_gradient import Diagnostics, share_in_percent
from bansweep.training.optimizer import build_language_optimizer, plateau_learning_rate
from bansweep.training.permutation_keys import WindowKeys
from bansweep.training.precision import autocast, use_exact_arithmetic
from bansweep.training.step import descend
from bansweep.training.teacher import LanguageTeacher
from bansweep.training.token_streams import TokenStreams, Window
from bansweep.training.workers import ALONE, Workers, distributed


class LanguageRun(GenerationRun):
    """Trains a language model on parallel streams of a text; workers share the streams.

    A time step of a stream is a sample of the losses: KD compares the distributions of every unrolled step (section
    4.2).
    """

    def __init__(
        self,
        generation: Generation,
        data: TextData,
        *,
        teacher: LanguageTeacher | None = None,
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
            distinct_words=self._model.uses_distinct_words
            or (teacher is not None and teacher.network.uses_distinct_words),
        )
        self._forward = distributed(self._model, workers, self._device)
        self._sgd = build_language_optimizer(self._model, self._recipe)
        self._loss = build_loss(generation.loss)
        assert teacher is not None or generation.loss.teacher != "required", "this loss asks a teacher"
        self._loss_teacher = None if generation.loss.teacher == "none" else teacher
        self._diagnostics = (
            Diagnostics(workers, self._device) if diagnostics and self._loss_teacher is not None else None
        )
        self._keys = None
        if (permutation := generation.loss.permutation_keys) is not None:
            streams, words = self._recipe.batch_size, len(data.vocabulary)
            self._keys = WindowKeys(permutation, generation.seed, streams=streams, words=words)

    @property
    def network(self) -> LanguageModel:
        return self._model

    @property
    def _optimizer(self) -> torch.optim.Optimizer:
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
            # Gradients end at the window's beginning; the state is carried on.
            state = hidden.detach(), cell.detach()
            # S: the samples of the losses, one for each time step of each stream.
            logits_SV, targets_S = logits_TBV.flatten(0, 1), window.targets_TB.flatten()
            inputs = LossInputs(
                NetworkOutput(logits_SV),
                None if teacher_logits_SV is None else NetworkOutput(teacher_logits_SV),
                targets_S,
                batch=self._workers.batch(window.inputs_TB.shape[0] * self._recipe.batch_size),
                keys_BC=self._keys_of(epoch, window),
                progress=self._progress(epoch),
            )
            loss = self._loss(inputs)
            lengths[step] = len(window.inputs_TB)
            # The recipe's learning rate and clipping are for losses that are summed over time.
            descend(loss * len(window.inputs_TB), self._sgd, self._workers, clip_norm=self._recipe.clip_norm)
            losses[step] = loss.detach()
            if self._diagnostics is not None and teacher_logits_SV is not None:
                self._diagnostics.observe(logits_SV, teacher_logits_SV, targets_S)
        return float((self._finite_losses(epoch, losses).double() * lengths).sum() / lengths.sum())

    def _teacher_logits(self, window: Window) -> Tensor | None:
        if self._loss_teacher is None:
            return None
        return self._loss_teacher.logits(self._streams, window, bf16=self._bf16).flatten(0, 1)

    def _keys_of(self, epoch: int, window: Window) -> Tensor | None:
        if self._keys is None:
            return None
        steps = len(window.inputs_TB)
        return self._keys.of_window(epoch, window.start, steps, workers=self._workers, device=self._device)

    def _evaluate(self) -> dict[str, float]:
        read = self._read(self._data.validation_N)
        metrics = {"validation_loss": read.loss, "validation_perplexity": read.perplexity}
        if self._diagnostics is not None:
            metrics |= self._diagnostics.take()
            metrics["validation_agreement"] = share_in_percent(read.likeliest_N == self._teacher_likeliest_N)
        return metrics

    @cached_property
    def _teacher_likeliest_N(self) -> Tensor:
        """The teacher's most probable token at each place of the validation text, which never changes."""
        assert self._loss_teacher is not None
        return self._read(self._data.validation_N, self._loss_teacher.network).likeliest_N

    def _read(self, tokens_N: NDArray[np.int32], model: LanguageModel | None = None) -> ReadText:
        # Every worker reads the whole text: one stream cannot be divided.
        return read_text(
            model or self._model,
            tokens_N,
            end_of_sentence=self._data.end_of_sentence,
            device=self._device,
            bf16=self._bf16,
        )
