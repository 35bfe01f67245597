"""A real MLflow server that is stopped and started while a sweep runs. Slow: a server takes many seconds to start."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import PROCESS_S, wait_for

from bansweep.cli.commands.ui import is_answered
from bansweep.graph.events import EpochFinished, GenerationStarted
from bansweep.tracking.client import open_client
from bansweep.tracking.mlflow_tracker import MlflowTracker

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def server(folder: Path, port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/server.db",
        "--artifacts-destination",
        f"{folder}/artifacts",
    ]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
        try:

            def answers() -> bool:
                assert process.poll() is None, (folder / "server.log").read_text()
                return is_answered("127.0.0.1", port)

            wait_for(answers)
            yield
        finally:
            process.terminate()
            process.wait(PROCESS_S)
            wait_for(lambda: not is_answered("127.0.0.1", port))


def test_a_server_that_comes_and_goes(
    tmp_path: Path,
    sweep: Any,
    mlflow_holds: Callable[[str], Any],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # the reader downloads, the tracker does not
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    teacher = sweep.finished[0]
    tracker = MlflowTracker(uri, store_root=tmp_path / "store", sweep=sweep.plan.sweep)
    tracker.start(sweep.plan, "name: x\n")
    with server(tmp_path, port):
        tracker.handle(GenerationStarted(sweep.teacher_id))
        tracker.handle(EpochFinished(sweep.teacher_id, teacher.history[0]))
        client = open_client(uri)

        def is_seen() -> bool:
            experiment = client.get_experiment_by_name(sweep.plan.sweep)
            runs = client.search_runs([experiment.experiment_id]) if experiment else []
            return any("test_error" in run.data.metrics for run in runs)

        wait_for(is_seen)
        seen = mlflow_holds(uri).runs[sweep.teacher_id]
        assert {point.step for point in seen.points} == {1}
    for report in teacher.history[1:]:
        tracker.handle(EpochFinished(sweep.teacher_id, report))
        time.sleep(1.5)
    down = tracker.finish(lambda: sweep.finished, {"report.md": "# Table\n"}, "FINISHED", timeout_s=5)
    assert (down.sent, len(down.unsent)) == (0, 2)
    assert "Connection refused" in down.error

    with server(tmp_path, port):
        up = tracker.finish(lambda: sweep.finished, {"report.md": "# Table\n"}, "FINISHED", timeout_s=PROCESS_S)
        held = mlflow_holds(uri)

    assert (up.sent, up.unsent, up.error) == (2, (), "")
    for finished in sweep.finished:
        run = held.runs[finished.generation_id]
        assert run.status == "FINISHED"
        assert {point.value for point in run.points if point.key == "test_error"} == {8.0, 7.0, 6.0}
    assert held.documents == {"sweep.yaml": "name: x\n", "report.md": "# Table\n"}
    assert capfd.readouterr() == ("", "")
