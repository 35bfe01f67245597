"""What a network predicts for a whole split, and how often it is wrong."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bansweep.data.resident import ResidentImages
from bansweep.training.precision import autocast
from bansweep.training.workers import Workers

BATCH_SIZE = 500


@torch.inference_mode()
def predict(network: nn.Module, images: ResidentImages, *, classes: int, workers: Workers, bf16: bool) -> Tensor:
    """Class probabilities (N, C) in float32 for every image of a split, in its order, on every worker.

    Workers take turns at the same batches, so that their number does not change a bit of the result.
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
