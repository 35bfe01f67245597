"""Several small networks on one GPU at a time, and what it costs to save an epoch: sections of `gpu.py`."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack, closing
from functools import partial
from itertools import count

import torch
from devices import wall_seconds
from gpu_evidence import CLASSES, ENDLESS, Bench
from random_images import StepsOnly, image_network, random_data, student
from turns import InItsOwnProcess, Loop, timed

PROCESSES = (1, 2, 4, 8)
TURNS = 3


def packing(bench: Bench) -> None:
    """Images a second of 1, 2, 4 and 8 processes that train a small network each on the same device."""
    network = "wrn-10-1" if bench.small else "wrn-28-1"
    steps = 3 if bench.small else 60
    alone = 0.0
    for processes in (1, 2) if bench.small else PROCESSES:
        if bench.seconds_left < 40:
            bench.say("packing", network=network, processes=processes, skipped="no time is left")
            continue
        with ExitStack() as stack:
            group = [
                stack.enter_context(
                    closing(InItsOwnProcess(small_network, network, steps, bench.batch, bench.size, str(bench.device)))
                )
                for _ in range(processes)
            ]
            for process in group:
                process.turn()  # starts, warms up
            rates = [_images_a_second(group, bench.batch) for _ in range(TURNS)]
        rate = sorted(rates)[TURNS // 2]
        alone = alone or rate
        bench.say("packing", network=network, processes=processes, images_s=round(rate), of_one=round(rate / alone, 2))


def saving(bench: Bench) -> None:
    """What an epoch pays for its snapshot, before it is written."""
    run = bench.image_run("wrn-10-1" if bench.small else "wrn-28-10", steps=2)
    next(run.epochs())
    started = wall_seconds(bench.device)
    snapshot = run.snapshot()
    copied = wall_seconds(bench.device)
    hashlib.sha256(snapshot).digest()
    hashed = wall_seconds(bench.device)
    bench.say(
        "saving", mb=len(snapshot) / 1e6, snapshot_s=round(copied - started, 3), sha256_s=round(hashed - copied, 3)
    )


def small_network(network: str, steps: int, batch: int, size: int, device_name: str) -> Loop:
    """An epoch of `steps` steps a turn, compiled nowhere: what is compared is how processes share the device."""
    torch.set_num_threads(1)
    device = torch.device(device_name)
    data = random_data(batch * steps, size=size, classes=CLASSES)
    generation = student(image_network(network), "labels", precision="bf16", batch=batch, epochs=ENDLESS)
    epochs = StepsOnly(generation, data, device=device).epochs()
    for _ in count():
        yield timed(steps, partial(next, epochs), device)


def _images_a_second(group: list[InItsOwnProcess], batch: int) -> float:
    """Of all processes together, while all take their turn."""
    for process in group:
        process.begin()
    return sum(batch / process.end().wall for process in group)
