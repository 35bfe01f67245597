"""The training step of image networks, against loops that people write.

    python benchmarks/step.py [--networks tiny wrn-28-1] [--losses labels kd kd-cached] [--precisions fp32 bf16]
        [--batch 128] [--seconds 15] [--device cpu|cuda] [--json]

Random images of CIFAR's shape. `tiny` is densenet-10-1, the smallest network that a name can tell, on images of 8x8
pixels in batches of 512, where data take longer than arithmetic. `kd` has the teacher, of the student's architecture,
in the step; `kd-cached` has its logits ready. Each loop runs in a process of its own, and they take turns. Ratios are
of images a second within a round, figures their medians over as many rounds as `--seconds` last.

- bare: the same network, precision and memory format on one batch that never changes: forward, loss, backward, update.
- loader: torch.utils.data.DataLoader with torchvision's transforms (pad and crop, flip, to tensor, normalise) on PIL
  images in worker processes, which have cores of their own, and the network in PyTorch's default memory format.
- torchdistill: the same data through its DistillationBox and KDLoss, with the teacher in the step, where it is
  installed. It needs nothing that bansweep does not: pip install --no-deps torchdistill==1.1.5, best into an
  environment of its own that sees this one.

On a CPU the bare loop is compared by CPU time, which other processes disturb less. The others use several cores and are
compared by the clock. On a GPU the clock compares all loops, and waits for the GPU. The large networks need a smaller
batch: --networks densenet-80-120 --batch 8.

Exits with 1 where ours is below 0.98 of the bare loop, 8 times a loop with DataLoader for the tiny network, 1.25 times
for WRN-28-1 and 2.2 times its loop in fp32 with bf16. A teacher in the step costs all loops alike, and hides what else
they do: there are no bounds for `kd` but that of the bare loop.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import product
from typing import Any

from devices import CPU, add_device_option
from random_images import image_network
from step_loops import Case, bare, has_torchdistill, loader, ours, torchdistill
from turns import InItsOwnProcess, Loop

TINY, TINY_SIZE, TINY_BATCH = "densenet-10-1", 8, 512
OURS, BARE, LOADER, LOADER_FP32, TORCHDISTILL = "ours", "bare", "loader", "loader, fp32", "torchdistill"
FEWEST_ROUNDS = 5
LONGEST_TURN, MOST_STEPS = 0.25, 64  # seconds of the bare loop
FEWER_STEPS = 4  # times fewer, of the slow ones

BOUND_OF_BARE = 0.98
# By network and peer.
BOUNDS = {
    ("tiny", LOADER): 8.0,
    ("tiny", TORCHDISTILL): 8.0,
    ("wrn-28-1", LOADER): 1.25,
    ("wrn-28-1", TORCHDISTILL): 1.25,
    ("wrn-28-1", LOADER_FP32): 2.2,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["tiny", "wrn-28-1"], help="names, or `tiny`")
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=LOSSES)
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--batch", type=int, help=f"images; by default 128, of the tiny network {TINY_BATCH}")
    parser.add_argument("--seconds", type=float, default=15, help="for each network, loss and precision")
    parser.add_argument("--threads", type=int, default=1, help="of each loop")
    parser.add_argument("--workers", type=int, default=1, help="of DataLoader; 0: the loop transforms images itself")
    add_device_option(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    names = list(dict.fromkeys(arguments.networks))
    for name in names:
        image_network(TINY if name == "tiny" else name)
    if not has_torchdistill() and not arguments.json:
        print("torchdistill is not installed and is left out; --help says how to get it")
    results, missed = [], []
    for name, precision, loss in product(names, arguments.precisions, arguments.losses):
        case = Case(
            network=TINY if name == "tiny" else name,
            size=TINY_SIZE if name == "tiny" else 32,
            loss=loss,
            precision=precision,
            batch=arguments.batch or (TINY_BATCH if name == "tiny" else 128),
            steps=1,
            threads=arguments.threads,
            workers=arguments.workers,
            device=arguments.device,
        )
        ratios = measured(case, arguments.seconds)
        for peer, values in ratios.items():
            median = statistics.median(values)
            bound = bound_of(case, name, peer)
            results.append(
                {
                    "network": name,
                    "device": str(case.device),
                    "precision": precision,
                    "loss": loss,
                    "batch": case.batch,
                    "peer": peer,
                    "ratio": median,
                    "bound": bound,
                    "rounds": len(values),
                }
            )
            if bound is not None and median < bound:
                missed.append(f"{name}, {precision}, {loss}: {median:.3f} times {peer} (bound {bound:g})")
            if not arguments.json:
                print(line(results[-1], values), flush=True)
    if arguments.json:
        print(json.dumps({"torchdistill": has_torchdistill(), "ratios": results}))
    if missed:
        raise SystemExit("missed:\n  " + "\n  ".join(missed))


LOSSES = ("labels", "kd", "kd-cached")
PRECISIONS = ("fp32", "bf16")


def bound_of(case: Case, name: str, peer: str) -> float | None:
    if peer == BARE:
        return BOUND_OF_BARE
    # The bounds against other loops were chosen on CPUs.
    return BOUNDS.get((name, peer)) if case.loss != "kd" and case.device == CPU else None


def line(result: dict[str, Any], values: Sequence[float]) -> str:
    case = f"{result['network']:<16} {result['precision']} {result['loss']:<9} {result['peer']:<12}"
    bound = "" if result["bound"] is None else f"  bound {result['bound']:g}"
    return f"{case} {result['ratio']:7.3f}  ({min(values):.3f} to {max(values):.3f}, {len(values)} rounds){bound}"


def measured(case: Case, seconds: float) -> dict[str, list[float]]:
    """Images a second of ours over each peer's, in each round."""
    case = replace(case, steps=steps_of_a_turn(case))
    loops: dict[str, tuple[Callable[[Case], Loop], Case]] = {OURS: (ours, case), BARE: (bare, case)}
    slow = replace(case, steps=max(1, case.steps // FEWER_STEPS))
    loops[LOADER] = (loader, slow)
    if case.precision == "bf16":
        loops[LOADER_FP32] = (loader, replace(slow, precision="fp32"))
    if case.loss != "labels" and has_torchdistill():
        loops[TORCHDISTILL] = (torchdistill, replace(slow, loss="kd"))
    ratios: dict[str, list[float]] = {peer: [] for peer in loops if peer != OURS}
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(closing(InItsOwnProcess(loop, its_case)))
            for name, (loop, its_case) in loops.items()
        }
        for process in processes.values():
            process.turn()  # warms up
        turns, began = deque(processes), time.perf_counter()
        while time.perf_counter() - began < seconds or len(ratios[BARE]) < FEWEST_ROUNDS:
            turns.rotate()  # who comes after whom may matter
            took = {name: processes[name].turn() for name in turns}
            for peer, values in ratios.items():
                theirs, own = took[peer], took[OURS]
                values.append(theirs.busy / own.busy if peer == BARE else theirs.wall / own.wall)
    return ratios


def steps_of_a_turn(case: Case) -> int:
    """As many as the bare loop takes in a turn."""
    with closing(InItsOwnProcess(bare, replace(case, steps=1))) as process:
        fastest = min(process.turn().wall for _ in range(3))
    return min(MOST_STEPS, max(1, round(LONGEST_TURN / fastest)))


if __name__ == "__main__":
    main()
