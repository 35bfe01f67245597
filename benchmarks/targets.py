"""What an image network's teacher costs: asked in every step, kept by view, and how often it is asked at all.

    python benchmarks/targets.py [--networks wrn-10-1 wrn-28-1] [--precision fp32] [--rounds 15] [--steps 2]
        [--device cpu|cuda] [--json]

Steps are those of bansweep's own run, with batches of 128 random images of CIFAR's shape, 100 classes, pad-crop and
flip; the teacher is of the student's architecture. The variants take turns, an epoch of a few steps each, and figures
are medians over the rounds of each round's ratio: on a CPU of CPU time, which other processes disturb less than the
clock, and on a GPU of the clock, which waits for it.

- warm: all logits are in the table, as for a sibling with the same seed; cold: nearly none, as in a first epoch.
- in the step: the teacher sees the student's batch, and nothing is kept, as where a loss compares stages.

Then the same teacher's table for 50,000 images (of 8x8 pixels, to be done in seconds) and 10 classes is asked for
several epochs of two students: how many forward passes it made, how many different views were drawn, whether its logits
are those of a teacher that is asked again, and what the table took.

Exits with 1 where a warm table leaves less than 0.97 of the images a second of labels alone, a cold one less than 0.97
of those with the teacher in the step, or a forward pass was made twice or missed.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
from collections import deque
from typing import Any

import torch
from devices import add_device_option, busy_seconds
from random_images import (
    AUGMENTATION,
    SEED,
    AskedInTheStep,
    StepsOnly,
    image_network,
    make_teacher,
    random_data,
    read,
    resident,
    student,
)

from bansweep.config.networks import ImageNetworkSpec
from bansweep.data.augmentation import draw_views, epoch_order
from bansweep.training.image_run import ImageRun
from bansweep.training.teacher import Teacher

BATCH = 128
BOUND = 0.97
ROOM = 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["wrn-10-1", "wrn-28-1"])
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=2, help="steps a round")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of each student in which forwards are counted")
    parser.add_argument("--threads", type=int, default=1)
    add_device_option(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    networks = {name: image_network(name) for name in arguments.networks}
    counts = counted(arguments.epochs, arguments.device)
    ratios = {
        name: measured(network, arguments.precision, arguments.rounds, arguments.steps, arguments.device)
        for name, network in networks.items()
    }
    medians = {name: {what: statistics.median(values) for what, values in one.items()} for name, one in ratios.items()}
    if arguments.json:
        conditions = {"device": str(arguments.device), "precision": arguments.precision}
        print(json.dumps({**conditions, "ratios": medians, "counts": counts}))
    else:
        print_tables(f"{arguments.precision}, {arguments.device}", ratios, counts)
    missed = [
        f"{name}, {what}: {median:.3f}"
        for name, one in medians.items()
        for what, median in one.items()
        if what in BOUNDED and median < BOUND
    ]
    if counts["forwards"] != counts["distinct_views"] or not counts["equal_to_recomputing"]:
        missed.append("the table's forward passes or logits are wrong")
    if missed:
        raise SystemExit(f"missed: {'; '.join(missed)}")


WARM, COLD = "warm table / labels", "cold table / in the step"
BOUNDED = (WARM, COLD)


def print_tables(conditions: str, ratios: dict[str, dict[str, list[float]]], counts: dict[str, Any]) -> None:
    print(f"images a second, as ratios, {conditions}")
    for name, one in ratios.items():
        for what, values in one.items():
            median, spread = statistics.median(values), f"({min(values):.3f} to {max(values):.3f})"
            print(f"  {name:<16} {what:<26} {median:.3f}  {spread}")
    print(f"\n{counts['images']:,} images, two students, {counts['epochs']} epochs each")
    print(f"  samples drawn        {counts['drawn']:>12,}")
    print(f"  distinct views       {counts['distinct_views']:>12,}")
    print(f"  teacher forwards     {counts['forwards']:>12,}")
    print(f"  equal to recomputing {'yes' if counts['equal_to_recomputing'] else 'no':>12}")
    print(f"  table, MB            {counts['table_bytes'] / 1e6:>12,.0f}  (100 classes: ten times as much)")
    print(f"  memory grew by, MB   {counts['memory_grew_bytes'] / 1e6:>12,.0f}")


def measured(
    network: ImageNetworkSpec, precision: str, rounds: int, steps: int, device: torch.device
) -> dict[str, list[float]]:
    """Images a second of one variant over another's, in each round."""
    data = random_data(BATCH * steps, size=32, classes=100)
    warm, cold = (make_teacher(network, data, device, ROOM) for _ in range(2))
    images = resident(data, device)
    for epoch in range(1, rounds + 2):
        read(warm, images, precision, seed=SEED, epoch=epoch, batch=BATCH)

    def run(loss: str, teacher: Teacher | None = None, kind: type[ImageRun] = StepsOnly) -> ImageRun:
        generation = student(network, loss, precision=precision, batch=BATCH, epochs=rounds + 1)
        return kind(generation, data, teacher=teacher, device=device)

    runs = {
        "labels": run("labels"),
        "warm": run("kd", warm),
        "cold": run("kd", cold),
        "in the step": run("kd", warm, AskedInTheStep),
    }
    epochs = {name: one.epochs() for name, one in runs.items()}
    ratios: dict[str, list[float]] = {WARM: [], COLD: [], "in the step / labels": []}
    turns = deque(epochs)
    for number in range(rounds + 1):
        seconds = {}
        turns.rotate()  # who comes after whom acts on caches
        for name in turns:
            started = busy_seconds(device)
            next(epochs[name])
            seconds[name] = busy_seconds(device) - started
        if number > 0:  # the first one warms up
            ratios[WARM].append(seconds["labels"] / seconds["warm"])
            ratios[COLD].append(seconds["in the step"] / seconds["cold"])
            ratios["in the step / labels"].append(seconds["labels"] / seconds["in the step"])
    return ratios


def counted(epochs: int, device: torch.device) -> dict[str, Any]:
    """What a table for as many images as CIFAR has was asked, what it asked, and what it takes."""
    data = random_data(50_000, size=8, classes=10)
    images, network = resident(data, device), image_network("wrn-10-1")
    teacher = make_teacher(network, data, device, ROOM)
    keys = []
    before = peak_memory()
    for seed in (1, 2):
        for epoch in range(1, epochs + 1):
            logits = read(teacher, images, "fp32", seed=seed, epoch=epoch, batch=BATCH)
            order = epoch_order(len(images), seed, epoch)[: BATCH * len(logits)]
            views = draw_views(AUGMENTATION, len(images), seed, epoch)
            # By rows and columns of pixels, not by the table's own numbers.
            keys.append(((order * 9 + views.dy_N[order]) * 9 + views.dx_N[order]) * 2 + views.flip_N[order])
    grew = peak_memory() - before
    table = teacher.table
    assert table is not None
    forwards = table.computed
    again, anew = (
        read(one, images, "fp32", seed=1, epoch=1, batch=BATCH)
        for one in (teacher, make_teacher(network, data, device))
    )
    return {
        "images": len(images),
        "epochs": epochs,
        "drawn": sum(map(len, keys)),
        "distinct_views": len(torch.cat(keys).unique()),
        "forwards": forwards,
        "equal_to_recomputing": all(torch.equal(one, other) for one, other in zip(again, anew, strict=True)),
        "table_bytes": table.bytes,
        "memory_grew_bytes": grew,
    }


def peak_memory() -> int:
    """Bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


if __name__ == "__main__":
    main()
