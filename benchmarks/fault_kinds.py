"""The faults that `faults.py` injects, each a function of a sweep that has not begun and that it brings to its end."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from disturbed_sweep import DisturbedSweep, LostError, wait
from staging import cluster_of, descendants, mount, small_disk

TERMINATED = 75
FULL_DISK = "1m"  # room for half of the generations
_NAMES = {"raylet/raylet": "raylet", "gcs/gcs_server": "GCS server"}
Fault = Callable[[DisturbedSweep], None]


def driver(sweep: DisturbedSweep) -> None:
    """kill -9 of the command; it is run again."""
    process = sweep.start()
    sweep.wait_for_a_moment(process)
    _kill(sweep, process.pid)
    sweep.end(process, -signal.SIGKILL)
    sweep.look()
    sweep.run_again()


def sigterm(sweep: DisturbedSweep) -> None:
    """SIGTERM, as of Kubernetes or a spot market: it leaves with the documented status, and is run again."""
    process = sweep.start()
    sweep.wait_for_a_moment(process)
    process.terminate()
    sweep.end(process, TERMINATED)
    sweep.look()
    sweep.run_again()


def trial(sweep: DisturbedSweep) -> None:
    """kill -9 of a process that trains; the sweep goes on by itself."""
    process = sweep.start()
    sweep.wait_for_a_moment(process)
    wait(lambda: _trainer(sweep) is not None, process)
    _kill(sweep, _trainer(sweep))
    sweep.end(process, 0)


def worker(sweep: DisturbedSweep) -> None:
    """kill -9 of a worker of a Ray Train group; the sweep goes on by itself."""
    process = sweep.start()
    sweep.wait_for_a_moment(process)
    wait(lambda: bool(descendants(process.pid, "RayTrainWorker")), process)
    _kill(sweep, sweep.chance.choice(descendants(process.pid, "RayTrainWorker")))
    sweep.end(process, 0)


def node(sweep: DisturbedSweep) -> None:
    """A node of two is lost with all its processes; the sweep goes on by itself on the other."""
    with cluster_of(nodes=2) as (cluster, workers):
        process = sweep.start("--address", cluster.address)
        sweep.wait_for_a_moment(process)
        sweep.look()
        cluster.remove_node(workers.pop(sweep.chance.randrange(2)), allow_graceful=False)
        sweep.end(process, 0)


def raylet(sweep: DisturbedSweep) -> None:
    """kill -9 of the raylet that the command started: the command reports it and ends; run again, it resumes."""
    _kill_of_ray(sweep, "raylet/raylet")


def gcs(sweep: DisturbedSweep) -> None:
    """kill -9 of the GCS server that the command started: the command reports it and ends; run again, it resumes."""
    _kill_of_ray(sweep, "gcs/gcs_server")


def head(sweep: DisturbedSweep) -> None:
    """The cluster's head is lost: the command reports it and ends; run again on a new cluster, it resumes."""
    with cluster_of(nodes=1) as (cluster, _):
        process = sweep.start("--address", cluster.address)
        sweep.wait_for_a_moment(process)
        sweep.look()
        cluster.remove_node(cluster.head_node, allow_graceful=False)
        _check_report(sweep.end(process, 1), "died")
    sweep.run_again()


def progress(sweep: DisturbedSweep) -> None:
    """The newest progress of a running generation is cut short or has a bit flipped: the one before is used."""
    process = sweep.start()
    sweep.wait_for_a_moment(process)
    wait(lambda: bool(list(sweep.folder.glob("progress/*/epoch-*.progress"))), process)
    _kill(sweep, process.pid)
    sweep.end(process, -signal.SIGKILL)
    _wait_for_trainers(sweep)
    sweep.look()
    saved = sorted(sweep.folder.glob("progress/*/epoch-*.progress"))
    if saved:
        _damage(sweep, saved[-1])
    sweep.run_again()


def published(sweep: DisturbedSweep) -> None:
    """A file of a finished generation is damaged: that one, and no other, is trained again."""
    process = sweep.start()
    sweep.wait_for_a_moment(process, finished=1)
    _kill(sweep, process.pid)
    sweep.end(process, -signal.SIGKILL)
    _wait_for_trainers(sweep)
    victim = sweep.chance.choice(sorted(sweep.finished))
    # A record whose blanks are others is the same record.
    files = sorted((sweep.folder / "generations" / victim).iterdir())
    _damage(sweep, sweep.chance.choice([file for file in files if file.name != "generation.json"]))
    sweep.look()
    told = sweep.end(sweep.start(), 0)
    if "will be trained again" not in told:
        raise LostError("nobody was told of the damage")
    sweep.forgive(victim)


def disk(sweep: DisturbedSweep) -> None:
    """The store's disk is full for a while: a clear error, nothing half-published, and the same command goes on."""
    sweep.afterwards.enter_context(small_disk(sweep.folder, FULL_DISK))
    told = sweep.end(sweep.start(), 1, 2)
    if "o space left" not in told:
        raise LostError(f"the error does not say why: {told.strip().splitlines()[-1]}")
    if sweep.store.set_aside_damaged(sweep.plan.generations):
        raise LostError("something was published in part")
    sweep.look()
    mount("remount,size=1g", sweep.folder)
    sweep.run_again()


def read_only(sweep: DisturbedSweep) -> None:
    """The store cannot be written for a while: a clear error at once, and the same command goes on."""
    sweep.afterwards.enter_context(small_disk(sweep.folder, "1g"))
    mount("remount,ro", sweep.folder)
    told = sweep.end(sweep.start(), 1, 2)
    if "ead-only file system" not in told:
        raise LostError(f"the error does not say why: {told.strip().splitlines()[-1]}")
    mount("remount,rw", sweep.folder)
    sweep.look()
    sweep.run_again()


def two_drivers(sweep: DisturbedSweep) -> None:
    """Two commands on one store at once: each generation is trained by one of them."""
    processes = [sweep.start("--json"), sweep.start("--json")]
    trained: list[str] = []
    for process in processes:
        told = sweep.end(process, 0)
        trained += json.JSONDecoder().raw_decode(told[told.index("{") :])[0]["trained"]
    if sorted(trained) != sorted(sweep.plan.generations):
        raise LostError(f"{len(trained)} trainings of {len(sweep.plan.generations)} generations")


FAULTS: dict[str, tuple[Fault, int]] = {
    "driver": (driver, 0),
    "sigterm": (sigterm, 0),
    "trial": (trial, 0),
    "worker": (worker, 2),
    "raylet": (raylet, 0),
    "gcs": (gcs, 0),
    "node": (node, 0),
    "head": (head, 0),
    "progress": (progress, 0),
    "published": (published, 0),
    "disk": (disk, 0),
    "read-only": (read_only, 0),
    "two-drivers": (two_drivers, 0),
}
"""By name, with the number of workers that share a generation."""


def _kill(sweep: DisturbedSweep, pid: int | None) -> None:
    if pid is None:
        raise LostError("nothing was there to be killed")
    sweep.look()
    os.kill(pid, signal.SIGKILL)


def _kill_of_ray(sweep: DisturbedSweep, executable: str) -> None:
    process = sweep.start()
    sweep.wait_for_a_moment(process)
    (pid,) = descendants(process.pid, executable + "\0")
    _kill(sweep, pid)
    _check_report(sweep.end(process, 1), f"Ray's node on this machine died: its {_NAMES[executable]} (process {pid})")
    sweep.run_again()


def _check_report(output: str, message: str) -> None:
    """The command printed the error, how to resume, and the table of what is kept."""
    for text in (message, "run the same command to resume", "Test error, %"):
        if text not in output:
            raise LostError(f"the command did not print {text!r}: {output.strip().splitlines()[-1:]}")


def _trainer(sweep: DisturbedSweep) -> int | None:
    """A process that holds a claim on a generation, and lives."""
    for claim in sorted(sweep.folder.glob("claims/*/*.json")):
        try:
            pid = int(json.loads(claim.read_text())["process"]["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # being written or given back
        if Path(f"/proc/{pid}").exists():
            return pid
    return None


def _wait_for_trainers(sweep: DisturbedSweep) -> None:
    """Workers outlive their driver for some seconds, and save what they do."""
    wait(lambda: _trainer(sweep) is None)
    time.sleep(1)


def _damage(sweep: DisturbedSweep, path: Path) -> None:
    content = bytearray(path.read_bytes())
    if sweep.chance.random() < 0.5:
        path.write_bytes(content[: sweep.chance.randrange(len(content))])
    else:
        content[sweep.chance.randrange(len(content))] ^= 1 << sweep.chance.randrange(8)
        path.write_bytes(content)
