"""Predictions for a whole split: error and loss of images, perplexity of texts.

A text is read as one stream, starting after an end of sentence, with the hidden state carried through: each token is
predicted from everything before it. Batch size and window of a recipe do not matter, so that perplexities of different
recipes, machines and numbers of workers are comparable.

Shape suffixes: N images or tokens, C classes, T time steps, V words; B images of a batch.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bansweep.data.resident import ResidentImages
from bansweep.networks.language_model import LanguageModel
from bansweep.training.precision import autocast
from bansweep.training.token_streams import TokenStreams
from bansweep.training.workers import ALONE, Workers

BATCH_SIZE = 500
# Time steps read at once. It bounds the memory for logits, 40 MB with 10,000 words, and does not change results.
WINDOW = 1000


@torch.inference_mode()
def predict(network: nn.Module, images: ResidentImages, *, classes: int, workers: Workers, bf16: bool) -> Tensor:
    """Class probabilities (N, C) in float32 for every image of a split, in its order, on every worker.

    Workers divide the same batches between them, so that their number does not change a bit of the result.
    """
    was_training = network.training
    network.eval()
    probabilities_NC = torch.zeros(len(images), classes, device=images.device)
    for number, start in enumerate(range(0, len(images), BATCH_SIZE)):
        if number % workers.size == workers.rank:
            indices_B = torch.arange(start, min(start + BATCH_SIZE, len(images)), device=images.device)
            pixels_BKHW, _ = images.batch(indices_B, None)
            with autocast(images.device, bf16=bf16):
                logits_BC = network(pixels_BKHW)
            probabilities_NC[indices_B] = logits_BC.float().softmax(dim=1)
    network.train(was_training)
    return workers.sum(probabilities_NC)


def error_and_loss(probabilities_NC: Tensor, labels_N: Tensor) -> tuple[float, float]:
    """The error in percent (the likeliest class is not the label), and the mean cross-entropy with the labels."""
    wrong = (probabilities_NC.argmax(dim=1) != labels_N).double().mean()
    of_label_N = probabilities_NC.gather(1, labels_N[:, None]).squeeze(1)
    # A probability that float32 rounds to 0 would make the loss infinite.
    log_likelihood = of_label_N.double().clamp_min(torch.finfo(torch.float32).tiny).log().mean()
    error, mean_log_likelihood = torch.stack([wrong, log_likelihood]).tolist()  # the host waits once
    return 100.0 * error, -mean_log_likelihood


class ReadText(NamedTuple):
    """For each of N tokens: its log-probability in nats (float32), and the token with the largest one."""

    log_probabilities_N: Tensor
    likeliest_N: Tensor

    @property
    def loss(self) -> float:
        """Mean cross-entropy in nats a token."""
        return -float(self.log_probabilities_N.double().mean())

    @property
    def perplexity(self) -> float:
        """exp of the mean cross-entropy: the vocabulary's size for a model that knows nothing."""
        return perplexity(self.loss)


def perplexity(loss: float) -> float:
    """exp of a loss in nats; infinite where that overflows."""
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf


@torch.inference_mode()
def read_text(
    model: LanguageModel,
    tokens_N: NDArray[np.int32],
    *,
    end_of_sentence: int,
    device: torch.device,
    bf16: bool,
    window: int = WINDOW,
) -> ReadText:
    """Read a text with a model in evaluation mode; the result is on the CPU.

    The text is copied to the device before it is read, and the result is copied back at the end.
    """
    was_training = model.training
    model.eval()
    text = TokenStreams(
        tokens_N,
        streams=1,
        window=window,
        end_of_sentence=end_of_sentence,
        workers=ALONE,
        device=device,
        distinct_words=model.uses_distinct_words,
    )
    log_probabilities, likeliest = [], []
    state = model.initial_state(1)
    for part in text:
        with autocast(device, bf16=bf16):
            logits_T1V, state = model(part.inputs_TB, state, part.distinct)
        logits_TV = logits_T1V[:, 0].float()
        log_probabilities.append(logits_TV.gather(1, part.targets_TB)[:, 0] - logits_TV.logsumexp(dim=1))
        likeliest.append(logits_TV.argmax(dim=1))
    model.train(was_training)
    return ReadText(torch.cat(log_probabilities).cpu(), torch.cat(likeliest).cpu())
