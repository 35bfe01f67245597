"""The same sweep on one worker and on two: how far their histories are apart after the first epoch.

    python benchmarks/worker_agreement.py [--workers 1 2] [--device cpu|cuda] [--json]

Runs the quickstart for one epoch a generation, in fp32, into a store for each number of workers (0 would be the trial's
own process), and prints the largest difference of each metric over all generations.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from commands import SWEEPS, add_sweep_device_option, finish, start, sweep_device_settings

from bansweep.config.reading import read_sweep
from bansweep.data.fingerprint import data_identity
from bansweep.graph.expand import expand
from bansweep.store.store import Store

TOLERANCE = 1e-4
ONE_EPOCH = "recipe.epochs=1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs=2, default=[1, 2], help="the two numbers to compare")
    parser.add_argument("--sweep", type=Path, default=SWEEPS / "quickstart.yaml", help="the sweep file")
    add_sweep_device_option(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    sweep = read_sweep(arguments.sweep, [ONE_EPOCH])
    plan = expand(sweep, data_identity(sweep.data))
    with tempfile.TemporaryDirectory() as folder:
        stores = [Store(Path(folder) / str(workers)) for workers in arguments.workers]
        for store, workers in zip(stores, arguments.workers, strict=True):
            settings = [ONE_EPOCH, f"resources.workers={workers}", *sweep_device_settings(arguments.device)]
            options = [*(word for setting in settings for word in ("--set", setting)), "--json"]
            finish(start("run", arguments.sweep, "--store", store.directory, *options))
        rows = []
        for one in plan.generations:
            (first,), (second,) = (store.history(one) for store in stores)
            apart = {name: abs(value - second.metrics[name]) for name, value in first.metrics.items()}
            rows.append({"generation": plan.label(one), **apart})
    worst = max(value for row in rows for name, value in row.items() if name != "generation")
    if arguments.json:
        print(json.dumps({"workers": arguments.workers, "rows": rows, "largest": worst}, indent=2))
    else:
        names = [name for name in rows[0] if name != "generation"]
        print(f"{arguments.workers[0]} and {arguments.workers[1]} workers, differences after the first epoch")
        print(f"{'':<20}" + "".join(f"{name:>15}" for name in names))
        for row in rows:
            print(f"{row['generation']:<20}" + "".join(f"{row[name]:>15.1e}" for name in names))
        print(f"largest {worst:.1e}: {'within' if worst <= TOLERANCE else 'NOT within'} {TOLERANCE:g}")
    if worst > TOLERANCE:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
