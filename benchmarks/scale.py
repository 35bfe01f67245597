"""What a large sweep costs before and beside its training: planning it, and keeping its books in the driver.

    python benchmarks/scale.py [--generations 100 1000 10000] [--json]

For sweeps of 100, 1,000 and 10,000 generations, in long chains (`chains`, half of which stop improving half-way) and
of one teacher with many students (`wide`): CPU seconds to read the file, to expand it, and of `bansweep plan` as a
process; then CPU milliseconds and kilobytes of the driver for each generation: plan, conductor, store and the lines on
the screen, with trainings that end at once. Ray, MLflow and what a training itself writes are left out. Every figure is
of a fresh process. Ends with status 1 where one is beyond its bound.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from bansweep.config.reading import read_sweep
from bansweep.data.fingerprint import data_identity
from bansweep.graph.candidates import Sampler
from bansweep.graph.events import SweepEvent
from bansweep.graph.expand import expand
from bansweep.graph.generation import Generation
from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.scheduling.conductor import Conductor
from bansweep.scheduling.messages import Ended, EpochDone, Outcome, Started
from bansweep.scheduling.meter import Meter
from bansweep.scheduling.schedule import Task
from bansweep.service.display import Display
from bansweep.service.sweep_state import SweepState
from bansweep.store.layout import RECORD_FILE, Layout
from bansweep.store.location import store_path
from bansweep.store.records import GenerationRecord, encode_record, sealed
from bansweep.store.spending_ledger import SpendingLedger
from bansweep.store.store import Store

PLAN_S = 2.0
DRIVER_MS = 2.0
DRIVER_KB = 15.0
# Per generation, of the largest sweep against the one before it: more is not linear, but for the noise of a machine.
GROWTH = 1.5

AT_A_TIME = 8
NETWORKS = [f"wrn-{depth}-{width}" for width in (1, 2) for depth in (10, 16, 22, 28, 34)]
HEAD = "name: scale\ndata: {kind: digits, validation: 100}\nrecipe: {base: wide-resnet, epochs: 1}\n"


def chains(generations: int) -> str:
    """Ten networks, up to ten replicas, and a chain in each."""
    replicas = min(10, generations // 100)
    length = generations // (len(NETWORKS) * replicas) - 1
    return (
        f"{HEAD}networks: [{', '.join(NETWORKS)}]\nseeds: [{', '.join(map(str, range(replicas)))}]\n"
        f"chain: {{loss: kd, length: {length}, stop: {{patience: 1}}}}\n"
    )


def wide(generations: int) -> str:
    """One teacher, all others its students."""
    students = (f"  s{number}: {{loss: kd, teacher: teacher, seed: {number}}}\n" for number in range(1, generations))
    return f"{HEAD}networks: [wrn-10-1]\ngenerations:\n  teacher: {{loss: labels}}\n{''.join(students)}"


SWEEPS: dict[str, Callable[[int], str]] = {"chains": chains, "wide": wide}


def measured_reading(file: Path, _: Path) -> dict[str, float]:
    """CPU seconds to read and validate a sweep file, and to expand it."""
    started = time.process_time()
    sweep = read_sweep(file)
    read = time.process_time()
    expand(sweep, data_identity(sweep.data))
    return {"read_s": read - started, "expand_s": time.process_time() - read}


def measured_plan(file: Path, folder: Path) -> dict[str, float]:
    """CPU seconds of `bansweep plan`, from the process's start to its end."""
    command = [sys.executable, "-m", "bansweep", "plan", str(file), "--store", str(folder / "store")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"plan_s": used.ru_utime + used.ru_stime}


def measured_driver(file: Path, folder: Path) -> dict[str, float]:
    """CPU milliseconds of the driver for each planned generation."""
    plan, driver = conducted(file, folder)
    return {"generations": len(plan.generations), "driver_ms": 1000 * driver.seconds / len(plan.generations)}


def measured_memory(file: Path, folder: Path) -> dict[str, float]:
    """Kilobytes that the driver holds at most for each planned generation, the plan included."""
    smallest = folder / "smallest"
    smallest.mkdir()
    few = smallest / "scale.yaml"
    few.write_text(wide(10), encoding="utf-8")
    conducted(few, smallest)  # what the first sweep of a process loads is no part of a generation
    tracemalloc.start()
    plan, _ = conducted(file, folder)
    return {"driver_kb": tracemalloc.get_traced_memory()[1] / 1000 / len(plan.generations)}


MEASURED: tuple[Callable[[Path, Path], dict[str, float]], ...] = (
    measured_reading,
    measured_plan,
    measured_driver,
    measured_memory,
)


class DriverClock:
    """CPU seconds spent inside `running` blocks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        started = time.process_time()
        yield
        self.seconds += time.process_time() - started


def conducted(file: Path, folder: Path) -> tuple[Plan, DriverClock]:
    """Take a sweep to its end as `bansweep run` does, with trainings of one epoch that end at once."""
    sweep = read_sweep(file)
    plan = expand(sweep, data_identity(sweep.data))
    store, driver = Store(folder / "store"), DriverClock()
    running: list[Task] = []
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        with driver.running():
            state = SweepState(plan, store.finished(plan.generations))
            display = Display(state, Console(file=nowhere))

            def emit(event: SweepEvent) -> None:
                state.handle(event)
                display.handle(event)

            meter = Meter(None, SpendingLedger(store, sweep.name))
            conductor = Conductor(plan, store, sampler_of=no_sampler, emit=emit, meter=meter)
        while not conductor.done:
            with driver.running():
                while len(running) < AT_A_TIME and (task := conductor.next()) is not None:
                    plan.label(task.generation_id)
                    running.append(task)
                    conductor.handle(task, Started(epochs_done=0))
            task = running.pop(0)
            report = train(plan, store, task.generation_id)
            with driver.running():
                conductor.handle(task, EpochDone(report))
                conductor.handle(task, Ended(Outcome.FINISHED))
    assert len(state.trained) + len(state.not_needed) == len(plan.generations)
    return plan, driver


def no_sampler(searched: Generation) -> Sampler:
    raise AssertionError(f"{searched.id} is searched")


def train(plan: Plan, store: Store, generation_id: str) -> EpochReport:
    """What a training process leaves for the driver: a record, here without the files that go with it."""
    generation = plan.generations[generation_id]
    replica = plan.cells_of[generation_id][0].replica_seed
    error = 50.0 if replica % 2 and generation.generation_index > 5 else 50.0 - 0.1 * generation.generation_index
    report = EpochReport(1, 1, 1.0, 0.0, {"train_loss": 1.0, "validation_loss": 1.0, "validation_error": error})
    record = GenerationRecord(
        id=generation_id,
        generation=generation,
        label="made up",
        input_shape=(1, 8, 8),
        classes=10,
        parameters=1,
        teacher_digest=None,
        metrics=report.metrics,
        training_seconds=1.0,
        started_at=0.0,
        finished_at=1.0,
        device="cpu",
        host="here",
        versions={},
    )
    place = Layout(store_path(store.location)).generation(generation_id)
    place.make_folder()
    (place / RECORD_FILE).replace(encode_record(sealed(record, {})))
    return report


def measure(kind: str, generations: int) -> dict[str, Any]:
    """All figures of one sweep, each in a process of its own."""
    row: dict[str, Any] = {"sweep": kind}
    for number in range(len(MEASURED)):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "scale.yaml"
            file.write_text(SWEEPS[kind](generations), encoding="utf-8")
            command = [sys.executable, __file__, "--measure", str(number), str(file)]
            row |= json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return row


def beyond_bounds(rows: list[dict[str, Any]]) -> list[str]:
    """Which figures are beyond what is promised."""
    beyond = []
    for row in rows:
        name = f"{row['sweep']} of {row['generations']:,}"
        bounds = {"plan_s": PLAN_S, "driver_ms": DRIVER_MS, "driver_kb": DRIVER_KB}
        beyond += [f"{name}: {key} {row[key]:.2f} > {bound:g}" for key, bound in bounds.items() if row[key] > bound]
    for kind in SWEEPS:
        of_kind = [row for row in rows if row["sweep"] == kind]
        if len(of_kind) > 1 and of_kind[-1]["driver_ms"] > GROWTH * of_kind[-2]["driver_ms"]:
            beyond.append(f"{kind}: the driver's time grows faster than the sweep")
    return beyond


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generations", type=int, nargs="+", default=[100, 1000, 10000], help="hundreds, increasing")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        number, file = arguments.measure
        print(json.dumps(MEASURED[int(number)](Path(file), Path(file).parent)))
        return
    rows = [measure(kind, generations) for kind in SWEEPS for generations in arguments.generations]
    beyond = beyond_bounds(rows)
    if arguments.json:
        load = os.getloadavg()[0]
        print(json.dumps({"load": load, "cpus": os.cpu_count(), "results": rows, "beyond": beyond}, indent=2))
    else:
        print(f"CPU time, of the driver for each planned generation; load {os.getloadavg()[0]:.1f}")
        print(f"{'sweep':<8}{'generations':>12}{'read':>9}{'expand':>9}{'plan':>9}{'driver':>11}{'memory':>9}")
        for row in rows:
            print(
                f"{row['sweep']:<8}{row['generations']:>12,}{row['read_s']:>7.3f} s{row['expand_s']:>7.3f} s"
                f"{row['plan_s']:>7.2f} s{row['driver_ms']:>8.2f} ms{row['driver_kb']:>6.1f} KB"
            )
        for line in beyond:
            print(f"beyond its bound: {line}")
    sys.exit(1 if beyond else 0)


if __name__ == "__main__":
    main()
