"""Shell commands by which a reader gets again what the page shows."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Commands:
    """All as a user writes them: `sweep_file`, `store`, and the `changes` (`--set`, `--rehearse`) that this report was
    made with. `holding` is the store inside `store` where the generations lie: a rehearsal has one of its own.
    """

    sweep_file: str
    store: str
    holding: str
    changes: Sequence[str] = ()

    @property
    def whole_sweep(self) -> str:
        """Trains everything in a new store."""
        return self._run()

    @property
    def this_page(self) -> str:
        """Makes this page again from what the store holds, and opens it."""
        return shlex.join(["bansweep", "report", self.sweep_file, "--store", self.store, *self.changes, "--open"])

    def cell(self, row: str, column: str) -> str:
        """Trains one cell and the teachers that it rests on, of all seeds."""
        return self._run("--only", f"{row}/{column}")

    def show(self, generation_id: str) -> str:
        """Prints a record."""
        return shlex.join(["bansweep", "show", generation_id, "--store", self.holding])

    def folder(self, generation_id: str) -> str:
        """Where the store has a generation, once it is finished."""
        return f"{self.holding}/generations/{generation_id}/"

    def _run(self, *selection: str) -> str:
        run = ["bansweep", "run", self.sweep_file, "--store", "another-store"]
        return shlex.join([*run, *self.changes, *selection])
