"""What recomputed activations (`resources.recompute`) save of a training step's memory, and what they cost in time.

    python benchmarks/memory.py [--networks densenet-112-33 densenet-90-60 densenet-80-80 densenet-80-120]
                                [--batch 8] [--precision fp32] [--device cpu] [--rounds 3] [--threads 1] [--json]

The step is bansweep's own, not compiled: forward, loss of labels, backward, SGD; images have CIFAR's shape and random
pixels, of 100 classes. Figures are the most that is held at any time of the step above what is held between steps (the
state: weights, gradients, momenta, the same for both variants and every batch). It grows with the batch, so that the
figure for one image tells what another batch takes; only small batches seem to take less where activations are
recomputed, since the gradients with which a step begins make room within it.

- On a CPU it is what PyTorch's allocator hands out and takes back, as its profiler records it: to the byte, and the
  same each time. The process's resident memory is neither, since what is free again goes back to the system late or
  never; where glibc is told to map each tensor by itself (MALLOC_MMAP_THRESHOLD_), it grows by the same within 2 MB.
- On a GPU it is the caching allocator's `max_memory_allocated`, cuDNN's workspaces included.

Time is CPU time of the process on a CPU, which other processes disturb less than the clock, and the clock on a GPU.
Both variants take turns; the ratio is the median over the rounds.

Exits with 1 where one of the paper's DenseNets (the default) takes more than 0.25 of the memory that it takes where
activations are kept. Residual networks and smaller DenseNets save less.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch
from devices import add_device_option, busy_seconds
from torch.profiler import ProfilerActivity, profile

from bansweep.config.losses import LabelsLoss
from bansweep.config.networks import ImageNetworkSpec, is_language_model, network_from_name
from bansweep.config.recipes import RECIPES, Recipe
from bansweep.networks.build import build_network
from bansweep.networks.image_network import StagedNetwork
from bansweep.training.image_run import training_forward
from bansweep.training.optimizer import build_optimizer
from bansweep.training.precision import use_exact_arithmetic
from bansweep.training.step import TrainingStep
from bansweep.training.workers import ALONE

TABLE_2 = ["densenet-112-33", "densenet-90-60", "densenet-80-80", "densenet-80-120"]
CLASSES = 100
BOUND = 0.25
RECIPE = Recipe.model_validate(RECIPES["wide-resnet"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=TABLE_2)
    parser.add_argument("--batch", type=int, default=8, help="images a step")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    add_device_option(parser)
    parser.add_argument("--rounds", type=int, default=3, help="timed steps of each variant")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    use_exact_arithmetic()
    networks = {name: image_network(name) for name in arguments.networks}
    if not arguments.json:
        print(f"memory of a step of {arguments.batch} images in MB, {arguments.precision}, {arguments.device}")
        print(f"{'':<16} {'state':>8} {'kept':>8} {'recomputed':>10} {'ratio':>6}   {'an image':>15} {'time':>6}")
    results = {}
    for name, network in networks.items():
        one = measured(network, arguments.batch, arguments.precision, arguments.device, arguments.rounds)
        results[name] = one
        if not arguments.json:
            print(line(name, one, arguments.batch), flush=True)
    if arguments.json:
        settings = {"batch": arguments.batch, "precision": arguments.precision, "device": str(arguments.device)}
        print(json.dumps({**settings, "networks": results}))
    too_much = [
        f"{name}: {one['memory_ratio']:.2f}"
        for name, one in results.items()
        if name in TABLE_2 and one["memory_ratio"] > BOUND
    ]
    if too_much:
        raise SystemExit(f"above {BOUND} of the memory that kept activations take: {'; '.join(too_much)}")


def line(name: str, one: dict[str, Any], batch: int) -> str:
    state, kept, recomputed = (one[f"{what}_bytes"] / 1e6 for what in ("state", "kept", "recomputed"))
    image = f"{kept / batch:,.1f} -> {recomputed / batch:,.1f}"
    memory = f"{state:>8,.0f} {kept:>8,.0f} {recomputed:>10,.0f} {one['memory_ratio']:>6.2f}"
    return f"{name:<16} {memory}   {image:>15} {one['time_ratio']:>6.2f}"


def image_network(name: str) -> ImageNetworkSpec:
    network = network_from_name(name)
    if network is None or is_language_model(network):
        raise SystemExit(f"{name} is no image network")
    return network


def measured(
    network: ImageNetworkSpec, batch: int, precision: str, device: torch.device, rounds: int
) -> dict[str, int | float]:
    """Bytes, and ratios of recomputed to kept activations."""
    variants = {
        "kept": Training(network, batch, precision, device, recompute=False),
        "recomputed": Training(network, batch, precision, device, recompute=True),
    }
    peaks = {name: training.peak_above_state() for name, training in variants.items()}
    state = variants["kept"].state_bytes()
    assert state == variants["recomputed"].state_bytes()
    ratios = []
    for _ in range(rounds):
        seconds = {name: training.seconds() for name, training in variants.items()}
        ratios.append(seconds["recomputed"] / seconds["kept"])
    return {
        "state_bytes": state,
        **{f"{name}_bytes": peak for name, peak in peaks.items()},
        "memory_ratio": peaks["recomputed"] / peaks["kept"],
        "time_ratio": statistics.median(ratios),
    }


class Training:
    """A network, its optimizer, and one batch of random images that never changes."""

    def __init__(
        self, network: ImageNetworkSpec, batch: int, precision: str, device: torch.device, *, recompute: bool
    ) -> None:
        torch.manual_seed(0)
        model = build_network(network, input_shape=(3, 32, 32), classes=CLASSES)
        if recompute:
            model.recompute_activations()
        self._model: StagedNetwork = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._model.train()
        self._device = device
        self._optimizer = build_optimizer(self._model, RECIPE)
        self._step = TrainingStep(
            training_forward(self._model, ALONE, device, with_stages=False, compiled=False),
            self._optimizer,
            LabelsLoss(),
            teacher=None,
            workers=ALONE,
            batch_size=batch,
            bf16=precision == "bf16",
            diagnostics=None,
        )
        self._images_BKHW = torch.randn(batch, 3, 32, 32).to(device).contiguous(memory_format=torch.channels_last)
        self._labels_B = torch.randint(CLASSES, (batch,)).to(device)
        self.step()  # which makes the momenta

    def step(self) -> None:
        self._step(self._images_BKHW, self._labels_B, keys_BC=None, progress=0.5)

    def state_bytes(self) -> int:
        """What is held between steps."""
        momenta = [state["momentum_buffer"] for state in self._optimizer.state.values()]
        gradients = [parameter.grad for parameter in self._model.parameters() if parameter.grad is not None]
        return sum(tensor.nbytes for tensor in (*self._model.parameters(), *gradients, *momenta))

    def peak_above_state(self) -> int:
        """The most bytes that a step holds at a time, above those that are held between steps."""
        if self._device.type == "cuda":
            before = torch.cuda.memory_allocated(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
            self.step()
            return torch.cuda.max_memory_allocated(self._device) - before
        # Two steps, of which the first leaves its gradients to the second: the profiler knows nothing of what was
        # allocated before it began, and would miss that the step gives it back.
        self._optimizer.zero_grad(set_to_none=True)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
            self.step()
            self.step()
        held = peak = 0
        for size in allocations(profiled):
            held += size
            peak = max(peak, held)
        return peak - held

    def seconds(self) -> float:
        """How long a step takes."""
        started = busy_seconds(self._device)
        self.step()
        return busy_seconds(self._device) - started


def allocations(profiled: profile) -> list[int]:
    """The size of every allocation, and with a negative sign of what is given back, in the order of time."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiled.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    memory = sorted((event for event in events if event.get("name") == "[memory]"), key=lambda event: event["ts"])
    return [event["args"]["Bytes"] for event in memory]


if __name__ == "__main__":
    # The profiler's own messages, of devices that are not there.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    main()
