"""A real sweep that something happens to, and what that cost it."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from commands import start

from bansweep.config.reading import read_sweep
from bansweep.data.fingerprint import data_identity
from bansweep.graph.expand import expand
from bansweep.store.store import Store

PATIENCE_S = 300.0


class LostError(Exception):
    """The sweep did not survive; says why."""


@dataclass(frozen=True)
class Cost:
    """`trained_again`: finished generations of which another version is there now. `epochs_repeated`: the most of one
    generation, of those that were saved. `equal`: all weights have the bits of an undisturbed run."""

    trained_again: int
    epochs_repeated: int
    equal: bool


class DisturbedSweep:
    """One sweep file, run into a store of its own by the command that users have.

    `look` notes what is finished and saved just before something happens; `cost` tells afterwards what was done twice.
    `afterwards` is for whoever disturbs it: it is closed when all has been told.
    """

    def __init__(self, sweep: Path, folder: Path, chance: random.Random, workers: int = 0) -> None:
        self.chance = chance
        self.folder = folder
        self.workers = workers
        self._sweep = sweep
        read = read_sweep(sweep)
        self.plan = expand(read, data_identity(read.data))
        self._finished: dict[str, int] = {}
        self._saved: dict[str, int] = {}
        self._looked_at = 0.0
        self.afterwards = ExitStack()

    @property
    def store(self) -> Store:
        return Store(self.folder)

    def start(self, *options: object) -> subprocess.Popen[str]:
        workers = f"resources.workers={self.workers}"
        return start("run", self._sweep, "--store", self.folder, "--set", workers, *options)

    def end(self, process: subprocess.Popen[str], *statuses: int) -> str:
        """All that the command printed, which has to end in time, without a traceback, and with such a status."""
        try:
            out, err = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise LostError(f"the command did not end within {PATIENCE_S:.0f} s") from None
        if "Traceback" in err:
            raise LostError(f"a traceback: {err.strip().splitlines()[-1]}")
        if process.returncode not in statuses:
            raise LostError(f"exit status {process.returncode}: {err.strip().splitlines()[-1:]}")
        return out + err

    def run_again(self) -> None:
        self.end(self.start(), 0)

    def wait_for_a_moment(self, process: subprocess.Popen[str], *, finished: int = 0) -> None:
        """Until a random epoch of the sweep is saved, and so many generations are finished."""
        epochs = sum(generation.recipe.epochs for generation in self.plan.generations.values())
        moment = self.chance.randrange(1, epochs * 3 // 4)
        wait(lambda: self._epochs_saved() >= moment and len(self.finished) >= finished, process)

    @property
    def finished(self) -> frozenset[str]:
        return self.store.finished(self.plan.generations)

    def look(self) -> None:
        finished = self.finished
        self._finished = {one: self._published_at(one) for one in finished}
        self._saved = {one: self.store.epochs_done(one) for one in self.plan.generations if one not in finished}
        self._looked_at = time.time()

    def forgive(self, generation_id: str) -> None:
        """This one had to be trained again."""
        del self._finished[generation_id]

    def cost(self, reference: dict[str, str]) -> Cost:
        """Raises LostError where something is not finished or half-published."""
        left = self.plan.generations.keys() - self.finished
        if left:
            raise LostError(f"{len(left)} generations are not finished")
        if damaged := self.store.set_aside_damaged(self.plan.generations):
            raise LostError(f"damaged: {next(iter(damaged.values()))}")
        repeated = [
            sum(report.finished_at > self._looked_at for report in self.store.history(one)[:epochs])
            for one, epochs in self._saved.items()
        ]
        return Cost(
            trained_again=sum(self._published_at(one) != then for one, then in self._finished.items()),
            epochs_repeated=max(repeated, default=0),
            equal=digests(self) == reference,
        )

    def _epochs_saved(self) -> int:
        finished = self.finished
        return sum(
            generation.recipe.epochs if one in finished else self.store.epochs_done(one)
            for one, generation in self.plan.generations.items()
        )

    def _published_at(self, generation_id: str) -> int:
        return (self.folder / "generations" / generation_id / "generation.json").stat().st_mtime_ns


def digests(sweep: DisturbedSweep) -> dict[str, str]:
    """Generation -> SHA-256 of its weights."""
    records = {one: sweep.store.record(one) for one in sweep.plan.generations}
    return {one: record.digests["weights.safetensors"] for one, record in records.items() if record is not None}


def wait(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Until something is so, which `process` brings about. Raises LostError."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if process is not None and process.poll() is not None:
            raise LostError(f"the command ended before: status {process.returncode}")
        if time.monotonic() > deadline:
            raise LostError(f"nothing happened for {PATIENCE_S:.0f} s")
        time.sleep(0.05)
