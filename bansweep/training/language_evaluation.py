"""What a language model makes of a whole text.

The text is read as one stream, from the end of a sentence to its last token, with the hidden state carried all the way:
each token is judged with everything before it in view. No batch and no window of a recipe has a part in that, so that
perplexities of different recipes, machines and numbers of workers are of the same thing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bansweep.networks.language_model import LanguageModel
from bansweep.training.precision import autocast

# Bounds the memory for logits: 40 MB with 10,000 words. It decides nothing else.
WINDOW = 1000


class ReadText(NamedTuple):
    """For each of N tokens: its log-probability in nats (float32), and the token that was thought likeliest instead."""

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
    """Read a text with a model in evaluation mode; the answers lie on the CPU."""
    was_training = model.training
    model.eval()
    targets_N = torch.from_numpy(np.array(tokens_N, dtype=np.int64))
    inputs_N = torch.cat([torch.tensor([end_of_sentence]), targets_N[:-1]])
    log_probabilities, likeliest = [], []
    state = model.initial_state(1)
    for start in range(0, len(targets_N), window):
        inputs_T, targets_T = (part_N[start : start + window].to(device) for part_N in (inputs_N, targets_N))
        with autocast(device, bf16=bf16):
            logits_T1V, state = model(inputs_T[:, None], state)
        logits_TV = logits_T1V[:, 0].float()
        of_target_T = logits_TV.gather(1, targets_T[:, None])[:, 0] - logits_TV.logsumexp(dim=1)
        log_probabilities.append(of_target_T.cpu())
        likeliest.append(logits_TV.argmax(dim=1).cpu())
    model.train(was_training)
    return ReadText(torch.cat(log_probabilities), torch.cat(likeliest))
