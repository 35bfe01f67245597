"""What orchestration costs: wall seconds per generation beyond its own training.

    python benchmarks/overhead.py [--generations 6] [--json]

Runs a real chain of small generations (scikit-learn's digits, one at a time) twice: in the trial's own process, and as
Ray Train runs with a group of one worker. The first generation of each, which pays for starting processes, is shown
apart. Absolute seconds mean little on a busy machine; the load average is printed with them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bansweep.cluster.sweep_run import run_sweep
from bansweep.data.fingerprint import data_identity
from bansweep.data.prepare import prepare
from bansweep.plan.events import GenerationFailed, GenerationFinished, SweepEvent
from bansweep.plan.expand import expand
from bansweep.spec.reading import parse_sweep
from bansweep.spec.sweep import SweepSpec
from bansweep.store.store import Store


def chain(generations: int, workers: int) -> SweepSpec:
    """A teacher and its descendants, each too small for its training to matter."""
    columns = ["  g0: {loss: labels}"]
    columns += [f"  g{index}: {{loss: kd, teacher: g{index - 1}}}" for index in range(1, generations)]
    text = (
        "name: overhead\ndata: {kind: digits, limit: 256}\n"
        "recipe: {base: wide-resnet, epochs: 3, batch_size: 64, augmentation: null}\n"
        "networks: [wrn-10-1]\ngenerations:\n" + "\n".join(columns)
    )
    return parse_sweep(text, [f"resources.workers={workers}", "resources.concurrency=1"])


def measure(generations: int, workers: int) -> dict[str, Any]:
    """Seconds from each generation's end to the next one's, less the seconds that it trained."""
    sweep = chain(generations, workers)
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
    ids = list(plan.generations)
    beyond = [finished_at[one] - finished_at[before] - training[one] for before, one in itertools.pairwise(ids)]
    return {
        "mode": f"group of {workers}" if workers else "trial's process",
        "generations": generations,
        "first_s": finished_at[ids[0]] - started - training[ids[0]],
        "later_median_s": statistics.median(beyond),
        "later_max_s": max(beyond),
        "training_median_s": statistics.median(training.values()),
        "ending_s": ended - finished_at[ids[-1]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generations", type=int, default=6, help="the chain's length (at least 2)")
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1], help="group sizes; 0: the trial's process")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    prepare(chain(1, 0).data)
    results = [measure(max(2, arguments.generations), workers) for workers in arguments.workers]
    load = os.getloadavg()[0]
    if arguments.json:
        print(json.dumps({"load": load, "cpus": os.cpu_count(), "results": results}, indent=2))
        return
    print(f"seconds per generation beyond its own training; load {load:.1f} on {os.cpu_count()} CPUs")
    print(f"{'mode':<18}{'first':>8}{'later, median':>15}{'later, max':>12}{'training':>10}{'ending':>8}")
    for row in results:
        print(
            f"{row['mode']:<18}{row['first_s']:>8.2f}{row['later_median_s']:>15.2f}{row['later_max_s']:>12.2f}"
            f"{row['training_median_s']:>10.2f}{row['ending_s']:>8.2f}"
        )


if __name__ == "__main__":
    main()
