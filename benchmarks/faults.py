"""What faults cost a real sweep: each is injected at random moments, several times.

    python benchmarks/faults.py [--faults driver trial ...] [--times 1] [--seed 0] [--json]

The sweep is quickstart's; `worker` has two workers to a generation of a shorter one. A try survives where the sweep
ends as the fault's line says, without a traceback, nothing that was finished is trained again, no generation repeats
more than one saved epoch, nothing is half-published, and all weights have the bits of a run that nothing disturbed.

FAULTS
Exits with 1 where a try did not survive. A fault that cannot be injected here is skipped, and said to be.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from commands import SWEEPS
from disturbed_sweep import DisturbedSweep, LostError, digests
from fault_kinds import FAULTS
from staging import SkippedError

SWEEP = SWEEPS / "quickstart.yaml"
SHARED_SWEEP = """\
name: shared
data: {kind: digits, limit: 400}
recipe: {base: wide-resnet, epochs: 40, batch_size: 32, learning_rate: 0.02, augmentation: null}
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
  ban:     {loss: kd, teacher: teacher}
"""


def tried(name: str, sweep: DisturbedSweep, reference: dict[str, str]) -> dict[str, Any]:
    """One try: whether it was survived, and what it cost."""
    fault, _ = FAULTS[name]
    began = time.perf_counter()
    result: dict[str, Any] = {"fault": name, "survived": False}
    with sweep.afterwards:
        try:
            fault(sweep)
            cost = sweep.cost(reference)
        except LostError as why:
            result["why"] = str(why)
        except SkippedError as why:
            return {"fault": name, "skipped": str(why)}
        else:
            result |= vars(cost)
            result["survived"] = cost.equal and cost.trained_again == 0 and cost.epochs_repeated <= 1
    return {**result, "seconds": time.perf_counter() - began}


def line(name: str, tries: list[dict[str, Any]]) -> str:
    if skipped := next((one["skipped"] for one in tries if "skipped" in one), None):
        return f"{name:<12} skipped: {skipped}"
    told = [one for one in tries if "equal" in one]
    survived = sum(one["survived"] for one in tries)
    again = max((one["trained_again"] for one in told), default=0)
    epochs = max((one["epochs_repeated"] for one in told), default=0)
    equal = sum(one["equal"] for one in told)
    seconds = sum(one["seconds"] for one in tries) / len(tries)
    why = "; ".join(one["why"] for one in tries if "why" in one)
    return (
        f"{name:<12}{f'{survived}/{len(tries)}':>9}{again:>15}{epochs:>17}{f'{equal}/{len(told)}':>15}"
        f"{seconds:>9.0f} s  {why}"
    )


def main() -> None:
    faults = "\n".join(f"- {name}: {fault.__doc__}" for name, (fault, _) in FAULTS.items())
    description = str(__doc__).replace("FAULTS\n", f"{faults}\n\n")
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--times", type=int, default=1, help="how often each")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    if not arguments.json:
        print(
            f"{'fault':<12}{'survived':>9}{'trained again':>15}{'epochs repeated':>17}{'weights equal':>15}{'each':>11}"
        )
    results: list[dict[str, Any]] = []
    references: dict[int, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        shared = Path(folder) / "shared.yaml"
        shared.write_text(SHARED_SWEEP)
        for name in arguments.faults:
            workers = FAULTS[name][1]
            path = shared if workers else SWEEP
            if workers not in references:
                undisturbed = DisturbedSweep(path, Path(folder) / f"undisturbed-{workers}", chance, workers)
                undisturbed.run_again()
                references[workers] = digests(undisturbed)
            tries = [
                tried(
                    name, DisturbedSweep(path, Path(folder) / f"{name}-{time_}", chance, workers), references[workers]
                )
                for time_ in range(arguments.times)
            ]
            results += tries
            if not arguments.json:
                print(line(name, tries), flush=True)
    if arguments.json:
        print(json.dumps(results, indent=1))
    if not all(one.get("survived", True) for one in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
