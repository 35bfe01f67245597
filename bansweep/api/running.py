"""Running a sweep from Python: what `bansweep run` does, with a result where that prints a table."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from bansweep.api.result import SweepResult
from bansweep.api.sweep import Sweep
from bansweep.cli.display import Display, MessageConsole
from bansweep.cli.generation_states import ended_chains
from bansweep.cli.planning import SweepRequest
from bansweep.cli.run import TRACKING_TIMEOUT_INTERRUPTED_S, TRACKING_TIMEOUT_S
from bansweep.cli.run_log import messages_stream, run_log
from bansweep.cli.sweep_state import SweepState
from bansweep.cli.tracking import finished_generations, tracker_of
from bansweep.errors import BansweepError, StoreError, TrainingError
from bansweep.plan.chains import not_needed
from bansweep.plan.events import GenerationNotNeeded, SweepEvent
from bansweep.report.document import Outcome
from bansweep.tracking.protocol import SweepStatus, Tracker


def run(
    sweep: Sweep,
    store: str | Path | None = None,
    *,
    address: str | None = None,
    quiet: bool = False,
    check: bool = True,
) -> SweepResult:
    """Train the generations that the `store` lacks, and return what it holds then.

    `store`: a folder or a URL such as s3://BUCKET/FOLDER; else `BANSWEEP_STORE`, else `bansweep-store` here. `address`
    is a running Ray cluster's; without one, and without `RAY_ADDRESS`, one is started here and ends with the call.
    Progress is told on stderr unless `quiet`. Interrupted or failed, the same call goes on where it stopped.

    Side effects: the store, MLflow's tracking database, Ray's processes while it runs.
    Raises RequestError before anything starts, ClusterError or StoreError where the sweep cannot go on, and, with
    `check`, TrainingError where a generation failed: the others are finished, and `sweep.result(store)` has them.
    """
    request = sweep.request(store)
    console = MessageConsole(file=messages_stream(), highlight=False, markup=False, quiet=quiet)
    for generation_id, damage in request.store.set_aside_damaged(request.plan.generations).items():
        console.print(f"{request.plan.label(generation_id)} will be trained again: {damage}", soft_wrap=True)
    state = SweepState(request.plan, request.store.finished(request.plan.generations))
    tracker = tracker_of(request.store, request.spec.name)
    tracker.start(request.plan, sweep.file.read_text(encoding="utf-8"))
    ended_early: KeyboardInterrupt | BansweepError | None = None
    try:
        _train_what_is_left(request, state, tracker, console, address)
    except (KeyboardInterrupt, BansweepError) as end:
        # What is finished is kept and tracked before it is told.
        ended_early = end
    outcome = Outcome(tuple(state.trained), tuple(state.reused), state.failed, state.blocked)
    result = SweepResult(sweep, request, ended_chains(request.plan, request.store), outcome)
    _keep(result, tracker, console, _status(state, ended_early))
    console.print(f"{state.closing}; store: {request.location}", soft_wrap=True)
    if ended_early is not None:
        raise ended_early
    if check and state.failed:
        raise _failure(state)
    return result


def _train_what_is_left(
    request: SweepRequest, state: SweepState, tracker: Tracker, console: MessageConsole, address: str | None
) -> None:
    """Let Ray train. Raises DataError, ClusterError, ResourcesError, StoreError."""
    # Ray and torch take seconds to import, and a finished sweep needs neither.
    plan, store = request.plan, request.store
    display = Display(state, console)

    def emit(event: SweepEvent) -> None:
        state.handle(event)
        display.handle(event)
        tracker.handle(event)

    left = set(state.left)
    left_out = {one: cause for one, cause in not_needed(plan, ended_chains(plan, store)).items() if one in left}
    if len(left_out) == len(left):
        for generation_id, cause in left_out.items():
            emit(GenerationNotNeeded(generation_id, cause))
        return
    from bansweep.cli.run import _check_data
    from bansweep.cluster.sweep_run import run_sweep

    _check_data(request.spec, plan)
    shown: AbstractContextManager[None] = nullcontext() if console.quiet else display.shown()
    with run_log(store, request.spec.name), shown:
        run_sweep(request.spec, plan, store, emit=emit, address=address)


def _keep(result: SweepResult, tracker: Tracker, console: MessageConsole, status: SweepStatus) -> None:
    """Leave the reports in the store and with the tracker. What goes wrong there is told, and costs no result."""
    request = result.request
    # A part of the table is no reason to lose the whole one.
    files = {} if result.sweep.only else result.report.files
    try:
        for name, text in files.items():
            request.store.write_sweep_file(request.spec.name, name, text)
    except StoreError as error:
        console.print(f"the report is not kept: {error.cause}", soft_wrap=True)
    timeout_s = TRACKING_TIMEOUT_INTERRUPTED_S if status == "KILLED" else TRACKING_TIMEOUT_S
    summary = tracker.finish(lambda: finished_generations(request.plan, request.store), files, status, timeout_s)
    if summary.unsent or summary.error:
        console.print(f"MLflow lacks {len(summary.unsent)} generations ({summary.error})", soft_wrap=True)
    if summary.models_error:
        console.print(f"no models in MLflow: {summary.models_error}", soft_wrap=True)


def _status(state: SweepState, ended_early: BaseException | None) -> SweepStatus:
    if isinstance(ended_early, BansweepError) or (state.failed and ended_early is None):
        return "FAILED"
    return "KILLED" if ended_early is not None or state.left else "FINISHED"


def _failure(state: SweepState) -> TrainingError:
    first, reason = next(iter(state.failed.items()))
    more = f", and {len(state.failed) - 1} more" if len(state.failed) > 1 else ""
    blocked = f"; {len(state.blocked)} that would learn from them were not begun" if state.blocked else ""
    return TrainingError(
        f"{state.plan.label(first)} failed{more}{blocked}: {reason}",
        remedy="what is finished is in the store: sweep.result(store); run(..., check=False) returns it, with `failed`",
    )
