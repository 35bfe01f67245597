"""A real MLflow server on a SQLite database, started, killed and started again; and what its database holds."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

Point = tuple[str, int, float]
"""Metric, step and value."""


class MlflowServer:
    """`mlflow server` on 127.0.0.1, with everything in `folder`. Its port stays the same."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "server.db"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]

    def start(self) -> None:
        """Start it where it does not run; returns when it takes connections."""
        if self._process is not None:
            return
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.database}"]
        command += ["--artifacts-destination", str(self._folder / "artifacts")]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        environment.pop("MLFLOW_TRACKING_URI", None)
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 180
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the MLflow server does not start: {(self._folder / 'server.log').read_text()}")
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL, for the server and the workers that it has started."""
        if self._process is not None:
            os.killpg(self._process.pid, 9)  # its own session: nobody else is in the group
            self._process.wait()
            self._process = None
            while self._listens():
                time.sleep(0.05)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


@dataclass(frozen=True)
class HeldRun:
    """One run that is not deleted, as it stands in the database; `points` counts the points of each kind."""

    generation_id: str
    status: str
    points: Counter[Point]


def held_runs(database: Path, sweep: str) -> list[HeldRun]:
    """The runs of a sweep's generations, read from the tables themselves."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as tables:
        runs = tables.execute(
            "SELECT r.run_uuid, t.value, r.status FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id"
            " JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'bansweep.generation'"
            " WHERE r.lifecycle_stage = 'active' AND e.name = ?",
            (sweep,),
        ).fetchall()
        points: dict[str, Counter[Point]] = defaultdict(Counter)
        for run_id, _, _ in runs:
            found = tables.execute("SELECT key, step, value FROM metrics WHERE run_uuid = ?", (run_id,))
            points[run_id].update(found.fetchall())
    return [HeldRun(generation_id, status, points[run_id]) for run_id, generation_id, status in runs]


def parent_runs(database: Path, sweep: str) -> int:
    """How many runs of the sweep's own there are."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as tables:
        [[count]] = tables.execute(
            "SELECT count(*) FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'bansweep.sweep'"
            " WHERE r.lifecycle_stage = 'active' AND t.value = ?",
            (sweep,),
        ).fetchall()
    return int(count)
