"""Running a sweep from Python: what `bansweep run` does, with a result where that prints a table."""

from __future__ import annotations

import threading
from pathlib import Path

from bansweep.api.result import SweepResult
from bansweep.api.sweep import Sweep
from bansweep.errors import RequestError, TrainingError
from bansweep.service.progress.console import MessageConsole
from bansweep.service.progress.sweep_state import SweepState
from bansweep.service.run_log import messages_stream
from bansweep.service.running import run_request

# Ray is connected once a process, and a process has one standard output: calls from several threads take turns.
_one_at_a_time = threading.Lock()


def run(
    sweep: Sweep,
    store: str | Path | None = None,
    *,
    address: str | None = None,
    quiet: bool = False,
    check: bool = True,
) -> SweepResult:
    """Train the generations that the `store` lacks, and return what it holds then.

    `store`: a folder or a URL such as s3://BUCKET/FOLDER; defaults to `BANSWEEP_STORE`, then to `bansweep-store` in the
    working directory. `address` is that of a running Ray cluster. Without one, and without `RAY_ADDRESS`, the call uses
    the connection that `ray.init` has made in this process and leaves it open, or starts a cluster that ends with the
    call. Progress is shown on stderr unless `quiet`. After an interruption or a failure, the same call resumes.

    Call it from any thread. Calls from several threads wait for each other: a process has one connection to Ray.
    Side effects: the store, MLflow's tracking database, Ray's processes while it runs.
    Raises RequestError before anything starts, ClusterError or StoreError where the sweep cannot go on, and, with
    `check`, TrainingError where a generation failed: the others are finished, and `sweep.result(store)` has them.
    """
    if not isinstance(sweep, Sweep):
        raise RequestError(
            f"bansweep.run takes a sweep, not {sweep!r:.100}",
            remedy="load it first: bansweep.run(bansweep.load_sweep(FILE))",
        )
    console = MessageConsole(file=messages_stream(), highlight=False, markup=False, quiet=quiet)
    with _one_at_a_time:
        end = run_request(sweep.request(store, address, to_run=True), console, address=address)
    for line in end.messages():
        console.print(line, soft_wrap=True)
    if end.stopped_by is not None:
        raise end.stopped_by
    if check and end.state.failed:
        raise _failure(end.state)
    return SweepResult(sweep, end.request, end.ends, end.outcome)


def _failure(state: SweepState) -> TrainingError:
    first, reason = next(iter(state.failed.items()))
    more = f", and {len(state.failed) - 1} more" if len(state.failed) > 1 else ""
    blocked = f"; {len(state.blocked)} that would learn from them were not begun" if state.blocked else ""
    return TrainingError(
        f"{state.plan.label(first)} failed{more}{blocked}: {reason}",
        remedy="what is finished is in the store: sweep.result(store); run(..., check=False) returns it, with `failed`",
    )
