"""What a killed driver costs: the command is killed with SIGKILL at random moments of a real sweep, and run again.

    python benchmarks/faults.py [--times 5] [--seed 0] [--json]

Prints for each kill which generations were finished and how far the others had come, whether any finished generation
was trained again, how many epochs were trained twice, and whether the final weights are bit-identical to those of a run
that nothing disturbed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from commands import SWEEPS, finish, start

from bansweep.data.fingerprint import data_identity
from bansweep.plan.expand import expand
from bansweep.plan.plan import Plan
from bansweep.spec.reading import read_sweep
from bansweep.store.store import Store

SWEEP = SWEEPS / "quickstart.yaml"


def killed_run(plan: Plan, folder: Path, after_epochs: int, reference: dict[str, str]) -> dict[str, Any]:
    """Kill the driver once `after_epochs` epochs of the whole sweep are saved, run it again, and compare."""
    store = Store(folder)
    process = start("run", SWEEP, "--store", folder)
    while _epochs_saved(plan, store) < after_epochs and process.poll() is None:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    finished = store.finished(plan.generations)
    written = {one: (folder / "generations" / one / "generation.json").stat().st_mtime_ns for one in finished}
    saved = {one: store.epochs_done(one) for one in plan.generations if one not in finished}
    killed_at = time.time()
    document = finish(start("run", SWEEP, "--store", folder, "--json"))
    # Workers outlive their driver for some seconds: what they still saved is kept, what is repeated shows in the times.
    repeated = sum(
        sum(report.finished_at > killed_at for report in store.history(one)[:epochs]) for one, epochs in saved.items()
    )
    again = [
        one for one in finished if (folder / "generations" / one / "generation.json").stat().st_mtime_ns != written[one]
    ]
    return {
        "finished_before": len(finished),
        "epochs_saved": {plan.label(one): epochs for one, epochs in saved.items() if epochs},
        "finished_trained_again": len(again) + len(finished.intersection(document["trained"])),
        "saved_epochs_repeated": repeated,
        "weights_equal": _digests(plan, store) == reference,
    }


def _epochs_saved(plan: Plan, store: Store) -> int:
    finished = store.finished(plan.generations)
    return sum(
        generation.recipe.epochs if one in finished else store.epochs_done(one)
        for one, generation in plan.generations.items()
    )


def _digests(plan: Plan, store: Store) -> dict[str, str]:
    records = {one: store.record(one) for one in plan.generations}
    return {one: record.digests["weights.safetensors"] for one, record in records.items() if record is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="how often to kill")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    sweep = read_sweep(SWEEP)
    plan = expand(sweep, data_identity(sweep.data))
    epochs = sum(generation.recipe.epochs for generation in plan.generations.values())
    moments = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = Path(folder) / "undisturbed"
        finish(start("run", SWEEP, "--store", undisturbed, "--json"))
        reference = _digests(plan, Store(undisturbed))
        results = []
        for number in range(arguments.times):
            results.append(killed_run(plan, Path(folder) / str(number), moments.randrange(1, epochs), reference))
            if not arguments.json:
                print(results[-1], flush=True)
    survived = sum(row["weights_equal"] and not row["finished_trained_again"] for row in results)
    if arguments.json:
        print(json.dumps({"survived": survived, "tried": len(results), "results": results}, indent=2))
    else:
        print(f"survived {survived}/{len(results)} kills: weights equal, nothing finished trained again")
    if survived < len(results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
