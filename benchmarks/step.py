"""The training step of image networks, against loops that people write.

    python benchmarks/step.py [--networks wrn-10-1 wrn-28-1 densenet-40-12] [--precision fp32] [--rounds 7] [--json]

Labels alone, batches of 128 images of CIFAR's shape, random bytes: a step's cost does not depend on what is in them.
All take turns, a few steps each; ratios are of images a second within a round, figures their medians over the rounds.

- bare: the same network, precision and memory format on one batch that never changes: forward, loss, backward, update.
- loader: torch.utils.data.DataLoader with torchvision's transforms (pad and crop, flip, to tensor, normalise) on PIL
  images, in as many worker processes as threads, and the network in PyTorch's default memory format.

Exits with 1 where ours is below 0.98 of the bare loop.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from bansweep.data.images import ImageData, ImageSplit
from bansweep.networks.builder import build_network
from bansweep.plan.generation import DataIdentity, Generation
from bansweep.spec.networks import ImageNetworkSpec, is_language_model, network_from_name
from bansweep.spec.recipes import RECIPES
from bansweep.training.image_run import ImageRun
from bansweep.training.precision import autocast

BATCH, CLASSES = 128, 10
BOUND = 0.98
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
CPU = torch.device("cpu")


class Images(Dataset[tuple[torch.Tensor, int]]):
    """PIL images, transformed one by one as they are asked for."""

    def __init__(self, split: ImageSplit) -> None:
        self._images = [Image.fromarray(image_HWC) for image_HWC in split.images_NHWC]
        self._labels = split.labels_N
        self._transform = v2.Compose(
            [
                v2.RandomCrop(32, padding=4, padding_mode="reflect"),
                v2.RandomHorizontalFlip(),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self._transform(self._images[index]), int(self._labels[index])


def random_data(steps: int) -> ImageData:
    chance = np.random.default_rng(0)

    def split(images: int) -> ImageSplit:
        pixels = chance.integers(0, 256, (images, 32, 32, 3), dtype=np.uint8)
        return ImageSplit(pixels, chance.integers(0, CLASSES, images))

    # A test image is enough: what is timed is training.
    return ImageData(split(BATCH * steps), None, split(1), tuple(map(str, range(CLASSES))), MEAN, STD)


def ours(network: ImageNetworkSpec, data: ImageData, precision: str, rounds: int) -> Iterator[float]:
    """Seconds a step, an epoch at a time, evaluation included."""
    generation = Generation.model_validate(
        {
            "network": network,
            "loss": "labels",
            "recipe": {**RECIPES["wide-resnet"], "epochs": rounds + 1, "batch_size": BATCH},
            "data": DataIdentity(kind="random", fingerprint="benchmark"),
            "precision": precision,
            "seed": 1,
            "generation_index": 0,
        }
    )
    steps = len(data.train) // BATCH
    for report in ImageRun(generation, data).epochs():
        yield report.seconds / steps


def bare(network: ImageNetworkSpec, steps: int, precision: str) -> Iterator[float]:
    model, optimizer = _model(network, torch.channels_last)
    images_BKHW = torch.randn(BATCH, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels_B = torch.randint(CLASSES, (BATCH,))
    while True:
        started = time.perf_counter()
        for _ in range(steps):
            _step(model, optimizer, images_BKHW, labels_B, precision)
        yield (time.perf_counter() - started) / steps


def loader(network: ImageNetworkSpec, data: ImageData, precision: str, workers: int) -> Iterator[float]:
    model, optimizer = _model(network, torch.contiguous_format)
    batches = DataLoader(
        Images(data.train), BATCH, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
    )
    while True:
        started, steps = time.perf_counter(), 0
        for images_BKHW, labels_B in batches:
            _step(model, optimizer, images_BKHW, labels_B, precision)
            steps += 1
        yield (time.perf_counter() - started) / steps


def _model(network: ImageNetworkSpec, memory_format: torch.memory_format) -> tuple[nn.Module, torch.optim.SGD]:
    model = build_network(network, input_shape=(3, 32, 32), classes=CLASSES)
    model.to(memory_format=memory_format)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    return model, optimizer


def _step(
    model: nn.Module,
    optimizer: torch.optim.SGD,
    images_BKHW: torch.Tensor,
    labels_B: torch.Tensor,
    precision: str,
) -> None:
    with autocast(CPU, bf16=precision == "bf16"):
        logits_BC = model(images_BKHW)
    loss = nn.functional.cross_entropy(logits_BC.float(), labels_B)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def measured(name: str, precision: str, rounds: int, steps: int, threads: int) -> dict[str, list[float]]:
    """Images a second of ours over each peer's, in each round."""
    network = network_from_name(name)
    if network is None or is_language_model(network):
        raise SystemExit(f"{name} is no image network")
    data = random_data(steps)
    peers = {
        "bare": bare(network, steps, precision),
        "loader": loader(network, data, precision, threads),
        "loader, fp32": loader(network, data, "fp32", threads),
    }
    if precision == "fp32":
        del peers["loader, fp32"]
    own = ours(network, data, precision, rounds)
    for one in (own, *peers.values()):
        next(one)  # warms up
    ratios: dict[str, list[float]] = {peer: [] for peer in peers}
    for _ in range(rounds):
        seconds = next(own)
        for peer, loop in peers.items():
            ratios[peer].append(next(loop) / seconds)
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["wrn-10-1", "wrn-28-1", "densenet-40-12"])
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=4, help="steps a round")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = {
        name: measured(name, arguments.precision, arguments.rounds, arguments.steps, arguments.threads)
        for name in arguments.networks
    }
    medians = {
        name: {peer: statistics.median(values) for peer, values in ratios.items()} for name, ratios in results.items()
    }
    if arguments.json:
        print(json.dumps({"precision": arguments.precision, "ratios": medians}))
    else:
        print(f"images a second, ours over theirs, {arguments.precision}")
        for name, ratios in results.items():
            for peer, values in ratios.items():
                spread = f"({min(values):.3f} to {max(values):.3f})"
                print(f"  {name:<16} {peer:<14} {medians[name][peer]:.3f}  {spread}")
    slow = [f"{name}: {ratios['bare']:.3f}" for name, ratios in medians.items() if ratios["bare"] < BOUND]
    if slow:
        raise SystemExit(f"below {BOUND} of the bare loop: {'; '.join(slow)}")


if __name__ == "__main__":
    main()
