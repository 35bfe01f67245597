"""What MLflow's faults cost: a real server is killed, slowed and silenced at random moments while a sweep is tracked.

    python benchmarks/fault_tracking.py [--times 5] [--seed 0] [--faults killed lost-answers] [--json]

The sweep's events and results are made up, everything else is real: tracker, store, server, database, `bansweep sync`.
After each fault the server is well again and `sync` is run. A fault is survived if then every generation has one run,
each of its metrics each step once, with the store's values, and if neither the thread that trains nor the end of the
sweep waited for MLflow longer than they are meant to.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands import SWEEPS
from faulty_proxy import FaultyProxy
from made_up_sweep import EPOCHS, expected_points, live_events, made_up_history, publish_made_up
from mlflow_server import MlflowServer, held_runs, parent_runs

from bansweep.config.reading import read_sweep
from bansweep.data.fingerprint import data_identity
from bansweep.graph.expand import expand
from bansweep.graph.plan import Plan
from bansweep.service.tracking import finished_generations, tracker_of
from bansweep.store.store import Store

TIMEOUT_S = 4.0  # of a sweep's end
TRAINING_S = 8.0  # of the whole sweep, about
LONGEST_WAIT_S = 0.5  # for training's thread: a busy machine takes its turns, MLflow's patience is 10 s
SLACK_S = 2.0  # at a sweep's end, likewise


@dataclass
class Trial:
    """One sweep, its server and the proxy between them, and what was seen."""

    server: MlflowServer
    proxy: FaultyProxy
    sweep_file: Path
    plan: Plan
    store: Store
    moments: random.Random
    longest_wait_s: float = 0.0
    overrun_s: float = 0.0
    problems: list[str] = field(default_factory=list)

    def train(self, *, began_at: float | None = None) -> None:
        """What `bansweep run` does: the generations that the store lacks, event by event, and the end."""
        tracker = tracker_of(self.store, self.plan.sweep)
        tracker.start(self.plan, self.sweep_file.read_text())
        finished = self.store.finished(self.plan.generations)
        for generation_id in self.plan.generations.keys() - finished:
            history = made_up_history(self.moments, began_at or time.time())
            for event in live_events(generation_id, history):
                begun = time.perf_counter()
                tracker.handle(event)
                self.longest_wait_s = max(self.longest_wait_s, time.perf_counter() - begun)
                time.sleep(TRAINING_S / len(self.plan.generations) / EPOCHS)
            publish_made_up(self.store, self.plan, generation_id, history)
        begun = time.perf_counter()
        tracker.finish(lambda: finished_generations(self.plan, self.store), {"report.md": ""}, "FINISHED", TIMEOUT_S)
        self.overrun_s = max(self.overrun_s, time.perf_counter() - begun - TIMEOUT_S)

    def start_sync(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "bansweep", "sync", self.sweep_file, "--store", self.store.directory, "--json"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def sync(self) -> None:
        process = self.start_sync()
        out, err = process.communicate()
        if process.returncode:
            self.problems.append(f"sync ended with {process.returncode}: {out or err}")

    def lose_some(self) -> list[str]:
        """Damage two generations and set them aside, as the next `bansweep run` does."""
        lost = self.moments.sample(sorted(self.plan.generations), 2)
        for generation_id in lost:
            (self.store.directory / "generations" / generation_id / "weights.safetensors").write_bytes(b"damaged")
        assert self.store.set_aside_damaged(self.plan.generations).keys() == set(lost)
        return lost


def down_at_first(trial: Trial) -> None:
    trial.server.kill()
    starting = threading.Timer(trial.moments.uniform(0, TRAINING_S / 2), trial.server.start)
    starting.start()
    trial.train()
    starting.join()


def killed(trial: Trial) -> None:
    """Killed with SIGKILL twice, and started again on the same database."""

    def kill_and_start() -> None:
        for _ in range(2):
            time.sleep(trial.moments.uniform(0, TRAINING_S / 2))
            trial.server.kill()
            time.sleep(trial.moments.uniform(0, 1))
            trial.server.start()

    killing = threading.Thread(target=kill_and_start)
    killing.start()
    trial.train()
    killing.join()


def killed_while_syncing(trial: Trial) -> None:
    """Nothing was sent live, so `sync` sends everything, while the server is killed."""
    trial.server.kill()
    trial.train()
    trial.server.start()
    process = trial.start_sync()
    time.sleep(trial.moments.uniform(3, 8))
    trial.server.kill()
    trial.server.start()
    process.communicate()


def slow(trial: Trial) -> None:
    trial.proxy.fault = "delay"
    trial.train()


def silent(trial: Trial) -> None:
    """From some moment on requests are taken and never answered."""
    falling_silent = threading.Timer(
        trial.moments.uniform(0, TRAINING_S), lambda: setattr(trial.proxy, "fault", "silence")
    )
    falling_silent.start()
    trial.train()
    falling_silent.join()


def lost_answers(trial: Trial) -> None:
    """A fifth of all requests is carried out, and the answer lost: live, at the end and in `sync`."""
    trial.proxy.fault = "lose"
    trial.train()
    trial.start_sync().communicate()


def syncs_at_once(trial: Trial) -> None:
    """Two `sync` beside the running sweep, and two more at once after its end, on a server that has nothing yet."""
    beside: list[subprocess.Popen[str]] = []

    def start_two() -> None:
        beside.extend(trial.start_sync() for _ in range(2))

    starting = threading.Timer(trial.moments.uniform(0, TRAINING_S / 2), start_two)
    starting.start()
    trial.train()
    starting.join()
    beside.extend(trial.start_sync() for _ in range(2))
    for process in beside:
        process.communicate()


def trained_again(trial: Trial) -> None:
    """Two generations are damaged, set aside and trained again, while the server is killed at a random moment."""
    trial.train()
    trial.sync()
    trial.lose_some()
    killing = threading.Timer(trial.moments.uniform(0, TRAINING_S / 3), trial.server.kill)
    killing.start()
    trial.train()
    killing.join()
    trial.server.start()


FAULTS: dict[str, Callable[[Trial], None]] = {
    "down-at-first": down_at_first,
    "killed": killed,
    "killed-while-syncing": killed_while_syncing,
    "slow": slow,
    "silent": silent,
    "lost-answers": lost_answers,
    "syncs-at-once": syncs_at_once,
    "trained-again": trained_again,
}


def outcome(trial: Trial) -> dict[str, Any]:
    """Heal everything, run `sync` twice, and compare the database with the store."""
    trial.proxy.fault = "none"
    trial.server.start()
    trial.sync()
    trial.sync()
    runs = held_runs(trial.server.database, trial.plan.sweep)
    missing = duplicated = wrong = 0
    for item in finished_generations(trial.plan, trial.store):
        expected = expected_points(item)
        mine = [run for run in runs if run.generation_id == item.generation_id]
        held = mine[0].points if len(mine) == 1 else None
        if held is None or mine[0].status != "FINISHED":
            trial.problems.append(f"{item.generation_id}: {[run.status for run in mine]}")
            continue
        steps = [(key, step) for key, step, _ in held.elements()]
        missing += len(expected - held.keys())
        duplicated += len(steps) - len(set(steps))
        wrong += len(held.keys() - expected)
    parents = parent_runs(trial.server.database, trial.plan.sweep)
    if parents != 1:
        trial.problems.append(f"{parents} runs of the sweep")
    if trial.longest_wait_s > LONGEST_WAIT_S:
        trial.problems.append(f"training waited {trial.longest_wait_s:.2f} s")
    if trial.overrun_s > SLACK_S:
        trial.problems.append(f"the end took {trial.overrun_s:.1f} s longer than it may")
    return {
        "runs": len(runs),
        "generations": len(trial.plan.generations),
        "points_missing": missing,
        "points_duplicated": duplicated,
        "points_wrong": wrong,
        "answers_lost": trial.proxy.lost,
        "longest_wait_ms": round(1000 * trial.longest_wait_s, 1),
        "problems": trial.problems,
        "survived": not (missing or duplicated or wrong or trial.problems),
    }


def tried(fault: str, number: int, seed: int, server: MlflowServer, folder: Path) -> dict[str, Any]:
    """One fault, on a sweep of its own."""
    name = f"{fault}-{number}"
    folder.mkdir(parents=True)
    sweep_file = folder / "sweep.yaml"
    sweep_file.write_text((SWEEPS / "quickstart.yaml").read_text().replace("name: quickstart", f"name: {name}"))
    sweep = read_sweep(sweep_file)
    moments = random.Random(f"{name} {seed}")
    proxy = FaultyProxy(server.port, seed=moments.randrange(2**32))
    os.environ["MLFLOW_TRACKING_URI"] = f"http://127.0.0.1:{proxy.port}"
    plan = expand(sweep, data_identity(sweep.data))
    trial = Trial(server, proxy, sweep_file, plan, Store(folder / "store"), moments)
    server.start()
    FAULTS[fault](trial)
    return {"fault": fault, **outcome(trial)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="how often to inject each fault")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS), help="which ones (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        server = MlflowServer(Path(folder))
        try:
            for fault in arguments.faults:
                for number in range(arguments.times):
                    rows.append(tried(fault, number, arguments.seed, server, Path(folder) / fault / str(number)))
                    if not arguments.json:
                        print({key: value for key, value in rows[-1].items() if value not in ([], True)}, flush=True)
        finally:
            server.kill()
    summary = {
        fault: f"{sum(row['survived'] for row in rows if row['fault'] == fault)}/{arguments.times}"
        for fault in arguments.faults
    }
    if arguments.json:
        print(json.dumps({"survived": summary, "results": rows}, indent=2))
    else:
        for fault, count in summary.items():
            print(f"{fault:22} survived {count}")
    if not all(row["survived"] for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
