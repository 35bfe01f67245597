"""What orchestration costs: wall seconds per generation beyond its own training.

    python benchmarks/overhead.py [--generations 6] [--slots 1] [--sizes no-op second real]
        [--device cpu|cuda] [--json]

Runs real chains of generations (scikit-learn's digits), one for each slot, in the trial's own process and as Ray Train
runs with a group of one worker: of generations that train next to nothing, for about a second, and longer. `each` is
wall time x slots less the sum of training, for each generation, starting and ending Ray included; `later` is from one
generation's end to the next one's in its chain, less its training. The first generations, which pay for starting
processes, are shown apart. Absolute seconds mean little on a busy machine; the load average is printed with them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commands import add_sweep_device_option, sweep_device_settings

from bansweep.cluster.sweep_run import run_sweep
from bansweep.config.reading import parse_sweep
from bansweep.config.sweep import SweepSpec
from bansweep.data.fingerprint import data_identity
from bansweep.data.prepare import prepare
from bansweep.graph.events import GenerationFailed, GenerationFinished, SweepEvent
from bansweep.graph.expand import expand
from bansweep.store.store import Store

# Training images (None: all 1,437) and epochs.
SIZES: dict[str, tuple[int | None, int]] = {"no-op": (64, 1), "second": (256, 6), "real": (None, 10)}


def chain(
    generations: int, workers: int, *, size: str = "no-op", slots: int = 1, device: Sequence[str] = ()
) -> SweepSpec:
    """A teacher and its descendants, in as many replicas as train at a time."""
    limit, epochs = SIZES[size]
    data = "{kind: digits}" if limit is None else f"{{kind: digits, limit: {limit}}}"
    columns = ["  g0: {loss: labels}"]
    columns += [f"  g{index}: {{loss: kd, teacher: g{index - 1}}}" for index in range(1, generations)]
    text = (
        f"name: overhead\ndata: {data}\n"
        f"recipe: {{base: wide-resnet, epochs: {epochs}, batch_size: 64, augmentation: null}}\n"
        f"networks: [wrn-10-1]\nseeds: {list(range(slots))}\ngenerations:\n" + "\n".join(columns)
    )
    return parse_sweep(text, [f"resources.workers={workers}", f"resources.concurrency={slots}", *device])


def measure(generations: int, workers: int, size: str, slots: int, device: Sequence[str]) -> dict[str, Any]:
    """Seconds of wall time beyond those of training: of the whole sweep, and from each generation to the next."""
    sweep = chain(generations, workers, size=size, slots=slots, device=device)
    plan = expand(sweep, data_identity(sweep.data))
    finished_at: dict[str, float] = {}

    def note(event: SweepEvent) -> None:
        if isinstance(event, GenerationFailed):
            raise SystemExit(f"a generation failed: {event.reason}")
        if isinstance(event, GenerationFinished):
            finished_at[event.generation_id] = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        started = time.perf_counter()
        run_sweep(sweep, plan, store, emit=note)
        ended = time.perf_counter()
        training = {one: record.training_seconds for one in plan.generations if (record := store.record(one))}
    first = [one for one, generation in plan.generations.items() if generation.teacher is None]
    later = [
        finished_at[one] - finished_at[generation.teacher] - training[one]
        for one, generation in plan.generations.items()
        if generation.teacher is not None
    ]
    beyond = (ended - started) * slots - sum(training.values())
    return {
        "mode": f"group of {workers}" if workers else "trial's process",
        "size": size,
        "slots": slots,
        "generations": len(plan.generations),
        "first_s": max(finished_at[one] - started - training[one] for one in first),
        "later_median_s": statistics.median(later),
        "later_max_s": max(later),
        "training_median_s": statistics.median(training.values()),
        "ending_s": ended - max(finished_at.values()),
        "each_s": beyond / len(plan.generations),
        "of_training": beyond / sum(training.values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generations", type=int, default=6, help="each chain's length (at least 2)")
    parser.add_argument("--slots", type=int, default=1, help="how many train at a time, a chain each")
    parser.add_argument("--sizes", nargs="*", choices=SIZES, default=list(SIZES), help="how long generations train")
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1], help="group sizes; 0: the trial's process")
    add_sweep_device_option(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    prepare(chain(1, 0).data)
    device = sweep_device_settings(arguments.device)
    results = [
        measure(max(2, arguments.generations), workers, size, arguments.slots, device)
        for workers in arguments.workers
        for size in arguments.sizes
    ]
    load = os.getloadavg()[0]
    if arguments.json:
        print(json.dumps({"load": load, "cpus": os.cpu_count(), "results": results}, indent=2))
        return
    print(f"seconds per generation beyond its own training; load {load:.1f} on {os.cpu_count()} CPUs")
    print(
        f"{'mode':<16}{'generations':>12}{'training':>10}{'first':>8}{'later, median':>15}{'later, max':>12}"
        f"{'ending':>8}{'each':>8}{'of training':>13}"
    )
    for row in results:
        print(
            f"{row['mode']:<16}{row['size']:>12}{row['training_median_s']:>10.2f}{row['first_s']:>8.2f}"
            f"{row['later_median_s']:>15.2f}{row['later_max_s']:>12.2f}{row['ending_s']:>8.2f}{row['each_s']:>8.2f}"
            f"{row['of_training']:>12.0%}"
        )


if __name__ == "__main__":
    main()
