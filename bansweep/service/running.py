"""Runs a sweep: checks its data, trains what the store lacks, and updates table, reports and MLflow."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property

from bansweep.config.data import is_text
from bansweep.config.networks import is_language_model
from bansweep.config.recipes import LanguageRecipe
from bansweep.config.sweep import SweepSpec
from bansweep.config.user_code import code_files
from bansweep.data.datasets import check_suitable, check_text_suitable, load_images, load_text, trained_test_images
from bansweep.data.prepare import prepare
from bansweep.errors import BansweepError, StoreError
from bansweep.graph.candidates import variants
from bansweep.graph.chains import ChainEnd, not_needed
from bansweep.graph.events import GenerationNotNeeded, SweepEvent
from bansweep.graph.plan import Plan
from bansweep.report.document import Outcome
from bansweep.service.display import Display, MessageConsole, bansweep_warnings_shown
from bansweep.service.event_stream import EventStream
from bansweep.service.generation_states import ended_chains
from bansweep.service.request import SweepRequest
from bansweep.service.run_log import RunLog, run_log
from bansweep.service.stored_status import readable_records, sweep_pace
from bansweep.service.sweep_report import SweepReport, sweep_report
from bansweep.service.sweep_state import SweepState
from bansweep.service.tracking import finished_ensembles, finished_generations, tracker_of
from bansweep.tracking.protocol import SweepStatus, TrackingSummary

_log = logging.getLogger(__name__)

# At the end of a sweep the tracker may take this long to send what is left; the rest waits for `bansweep sync`.
TRACKING_TIMEOUT_S = 60.0
TRACKING_TIMEOUT_INTERRUPTED_S = 5.0


@dataclass(frozen=True)
class SweepEnd:
    """How a run ended. `stopped_by` is what ended the training early: an interrupt or an error."""

    request: SweepRequest
    state: SweepState
    stopped_by: KeyboardInterrupt | BansweepError | None
    log: RunLog | None
    tracking: TrackingSummary
    ends: Sequence[ChainEnd]
    report: SweepReport

    @cached_property
    def outcome(self) -> Outcome:
        return _outcome(self.state)

    @cached_property
    def status(self) -> SweepStatus:
        return _status(self.state, self.stopped_by)

    def messages(self) -> list[str]:
        """The messages to print: what was done, where the results are, and what MLflow lacks."""
        lines = [f"{self.state.closing}; store: {self.request.location}, MLflow: {self.tracking.uri}"]
        if self.log is not None and self.log.has_grown:
            lines.append(f"what libraries said meanwhile: {self.log.path}")
        if self.tracking.unsent or self.tracking.error:
            lines.append(f"MLflow lacks {len(self.tracking.unsent)} generations ({self.tracking.error})")
            lines.append(f"  {shlex.join(['bansweep', 'sync', *self.request.arguments])} sends them")
        if self.tracking.models_error:
            lines.append(f"no models in MLflow: {self.tracking.models_error}")
        return lines


def run_request(
    request: SweepRequest,
    console: MessageConsole,
    *,
    address: str | None = None,
    stream: EventStream | None = None,
    interruptible: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> SweepEnd:
    """Trains what the store lacks. Finished generations are reported and tracked even after an early end.

    `console` shows progress, `stream` gets the events. `interruptible` may turn signals into subclasses of
    KeyboardInterrupt during training.

    Side effects: the store, MLflow, Ray's processes while it runs, and what they print goes to the sweep's log.
    Raises RequestError and DataError before anything is started, StoreError where the store cannot be read; other
    errors are the end's `stopped_by`.
    """
    plan, store = request.plan, request.store
    for generation_id, damage in store.set_aside_damaged(plan.generations).items():
        console.print(f"{plan.label(generation_id)} will be trained again: {damage}", soft_wrap=True)
    state = SweepState(plan, store.finished(plan.generations))
    display = Display(state, console)
    tracker = tracker_of(store, request.spec.name)
    stream = stream or EventStream(plan, None)

    def emit(event: SweepEvent) -> None:
        state.handle(event)
        display.handle(event)
        stream.handle(event)
        tracker.handle(event)

    unneeded = _no_longer_needed(request, state)
    something_to_train = len(unneeded) < len(state.left)
    if something_to_train:
        with nullcontext() if console.quiet else bansweep_warnings_shown(console):
            _prepare(request, state)
        if request.bf16_message is not None:
            console.print(request.bf16_message, soft_wrap=True)
    stream.start(finished=len(state.reused))
    tracker.start(plan, request.text)
    stopped_by: KeyboardInterrupt | BansweepError | None = None
    log: RunLog | None = None
    try:
        if something_to_train:
            shown: AbstractContextManager[None] = nullcontext() if console.quiet else display.shown()
            with interruptible(), run_log(store, request.spec.name) as log, shown:
                from bansweep.cluster.sweep_run import run_sweep  # Ray takes seconds to import

                run_sweep(request.spec, plan, store, emit=emit, address=address)
        else:
            for generation_id, cause in unneeded.items():
                emit(GenerationNotNeeded(generation_id, cause))
    except (KeyboardInterrupt, BansweepError) as end:
        stopped_by = end
    ends = ended_chains(plan, store)
    report = sweep_report(request, ends, _outcome(state))
    # After an interrupt, the user is waiting.
    patience_s = TRACKING_TIMEOUT_INTERRUPTED_S if isinstance(stopped_by, KeyboardInterrupt) else TRACKING_TIMEOUT_S
    files = _kept_files(request, report, console)
    tracking = tracker.finish(
        lambda: finished_generations(plan, store),
        files,
        _status(state, stopped_by),
        patience_s,
        tuple(finished_ensembles(report.plan, report.table)),
    )
    return SweepEnd(request, state, stopped_by, log, tracking, ends, report)


def _no_longer_needed(request: SweepRequest, state: SweepState) -> dict[str, str]:
    """The unfinished generations after the ends of chains -> the generation that ended the chain."""
    left = set(state.left)
    causes = not_needed(request.plan, ended_chains(request.plan, request.store))
    return {generation_id: cause for generation_id, cause in causes.items() if generation_id in left}


def _prepare(request: SweepRequest, state: SweepState) -> None:
    """Checks the data and sets the pace. Raises RequestError, DataError."""
    check_data(request.spec, request.plan)
    state.pace = sweep_pace(request.spec, request.plan, readable_records(request.store, state.reused))


def _kept_files(request: SweepRequest, report: SweepReport, console: MessageConsole) -> dict[str, str]:
    """Writes the reports to the store and returns them. An error of writing is only printed."""
    if request.only:  # a partial table must not replace the whole one
        return {}
    try:
        for name, text in report.files.items():
            request.store.write_sweep_file(request.spec.name, name, text)
    except StoreError as error:
        console.print(f"the report is not kept: {error.cause}", soft_wrap=True)
    return report.files


def _outcome(state: SweepState) -> Outcome:
    return Outcome(tuple(state.trained), tuple(state.reused), state.failed, state.blocked)


def _status(state: SweepState, stopped_by: KeyboardInterrupt | BansweepError | None) -> SweepStatus:
    if isinstance(stopped_by, BansweepError) or (state.failed and stopped_by is None):
        return "FAILED"
    return "KILLED" if stopped_by is not None or state.left else "FINISHED"


def check_data(spec: SweepSpec, graph: Plan) -> None:
    """Prepares the data and checks that everything suits it, before training starts.

    Side effects: prepares the data in the cache, runs user code, and logs a warning where test images are among the
    training images. Raises RequestError, DataError.
    """
    folder = prepare(spec.data)
    pairs = {
        (variant.recipe, variant.network)
        for generation in graph.generations.values()
        for variant in variants(generation)
    }
    if is_text(spec.data):
        text = load_text(spec.data, folder)
        for recipe, _ in pairs:
            assert isinstance(recipe, LanguageRecipe)
            check_text_suitable(recipe, text)
        _try_user_code(spec, graph, None, len(text.vocabulary))
        return
    images = load_images(spec.data, folder)
    _warn_of_copies(trained_test_images(spec.data, folder), len(images.test))
    for recipe, network in pairs:
        assert not isinstance(recipe, LanguageRecipe)
        assert not is_language_model(network)
        check_suitable(recipe, network, images)
    _try_user_code(spec, graph, images.input_shape, len(images.classes))


def _warn_of_copies(copies: int, test_images: int) -> None:
    if copies:
        _log.warning(
            "%s of the %s test images are also training images with the same label: "
            "test errors are lower than on new images",
            f"{copies:,}",
            f"{test_images:,}",
        )


def _try_user_code(spec: SweepSpec, graph: Plan, input_shape: tuple[int, int, int] | None, classes: int) -> None:
    """Raises RequestError where user code fails."""
    if code_files(spec):
        from bansweep.training.user_code_check import try_user_code

        tried = [variant for generation in graph.generations.values() for variant in variants(generation)]
        try_user_code(tried, input_shape=input_shape, classes=classes, workers=spec.resources.workers or 1)
